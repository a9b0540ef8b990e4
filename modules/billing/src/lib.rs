//! What a tenant pays for: plans, subscriptions, and what payment providers tell.
//!
//! - [`BillingModuleImpl`]: the module, for the composition root
//! - [`seed`]: the demo subscriptions
//!
//! The permission is [`kernel::contracts::BillingRead`].

mod module;
mod postgres;
pub mod seed;
mod subscriptions;

pub use module::BillingModuleImpl;
