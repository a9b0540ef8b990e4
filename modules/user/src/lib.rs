//! Users: global accounts, independent of tenants.
//!
//! - [`UserModuleImpl`]: the module, for the composition root
//! - [`seed`]: the demo users
//!
//! Visibility between users is decided by the authorization module, which looks users up by id.

mod module;
mod postgres;
mod profiles;
pub mod seed;

pub use module::UserModuleImpl;
