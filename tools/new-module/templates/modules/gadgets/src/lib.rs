//! The gadgets of a tenant.
//!
//! - [`GadgetsModule`]: the module, for the composition root
//! - [`seed`]: the demo gadgets
//!
//! The permissions are [`gadgets_api::GadgetRead`] and [`gadgets_api::GadgetManage`].

mod gadgets;
mod module;
pub mod seed;

pub use module::GadgetsModule;
