//! Who is calling: credentials in, tokens out; tokens in, claims out.
//!
//! - [`AuthModuleImpl`]: the module, for the composition root, which hands it an [`AuthSettings`]
//! - [`BearerIdentitySource`]: the request's credential, verified; a component for the request's module
//! - [`SigningKey`]: what tokens are signed with
//! - [`seed`]: the demo passwords
//!
//! Absent on purpose: whether the person still exists. The kernel asks the user module, once a request.

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
