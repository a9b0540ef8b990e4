//! The gadgets of a tenant.
//!
//! - [`GadgetsModuleImpl`]: the module, for the composition root
//! - [`seed`]: the demo gadgets
//!
//! The permissions are [`kernel::contracts::GadgetRead`] and [`kernel::contracts::GadgetManage`].

mod gadgets;
mod module;
mod postgres;
pub mod seed;

pub use module::GadgetsModuleImpl;
