//! Users: global accounts, independent of tenants.
//!
//! - [`UserModule`]: the module, for the composition root
//! - [`seed`]: the demo users
//!
//! Visibility between users is decided by the authorization module, which looks users up by id.

mod module;
mod profiles;
pub mod seed;
mod users;

pub use module::UserModule;
