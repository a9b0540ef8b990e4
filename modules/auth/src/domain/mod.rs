//! Password hashing and signing keys. No I/O except randomness.

mod password;
mod signing_key;

pub(crate) use password::{Argon2Hasher, PasswordHash, PasswordHasher};
pub use signing_key::{InvalidSigningKey, SigningKey};
