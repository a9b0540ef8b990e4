//! Authentication: exchanges passwords for access tokens and verifies access tokens.
//!
//! - [`AuthModule`]: the module; the composition root builds it with [`AuthSettings`]
//! - [`OperatorAccountsModule`]: account administration for commands
//! - [`BearerIdentitySource`]: verifies the request's bearer token; a component of the request module
//! - [`SigningKey`]: the key that signs tokens
//! - [`seed`]: the demo passwords
//!
//! This module doesn't check whether a token's user still exists. The kernel does, once per request
//! (`modules/kernel/src/identity_provider.rs`, `modules/kernel/src/tenant_resolver.rs`).

mod accounts;
mod credentials;
mod hashing_queue;
mod module;
mod password;
pub mod seed;
mod sign_in;
mod signing_key;
mod tokens;

pub use module::{AuthModule, OperatorAccountsModule};
pub use signing_key::{InvalidSigningKey, SigningKey};
pub use tokens::{AuthSettings, BearerIdentitySource};
