//! Authentication: exchanges passwords for access tokens and verifies access tokens.
//!
//! - [`AuthModuleImpl`]: the module; the composition root builds it with [`AuthSettings`]
//! - [`BearerIdentitySource`]: verifies the request's bearer token; a component of the request module
//! - [`SigningKey`]: the key that signs tokens
//! - [`seed`]: the demo passwords
//!
//! This module doesn't check whether a token's user still exists. The kernel does, once per request
//! (`modules/kernel/src/request.rs`).

mod accounts;
mod bearer;
mod domain;
mod module;
mod postgres;
pub mod seed;
mod sign_in;
mod tokens;

pub use bearer::BearerIdentitySource;
pub use domain::{InvalidSigningKey, SigningKey};
pub use module::AuthModuleImpl;
pub use tokens::AuthSettings;
