//! Passwords and keys. Pure but for randomness.

mod password;
mod signing_key;

pub(crate) use password::{PasswordHash, PasswordHasher, Argon2Hasher};
pub use signing_key::{InvalidSigningKey, SigningKey};
