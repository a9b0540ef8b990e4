//! People: who has an account, whatever tenants they belong to.
//!
//! - [`UserModuleImpl`]: the module, for the composition root
//! - [`seed`]: the demo people
//!
//! Whether a person may be seen is the authorization module's business: it asks here for people it knows by id.

mod module;
mod postgres;
mod profiles;
pub mod seed;

pub use module::UserModuleImpl;
