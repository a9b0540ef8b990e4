//! Billing: subscriptions, and tables for a billing provider, which isn't implemented yet.
//!
//! - [`BillingModuleImpl`]: the module, for the composition root
//! - [`seed`]: the demo subscriptions
//!
//! Reading requires [`kernel::contracts::BillingRead`].

mod module;
mod postgres;
pub mod seed;
mod subscriptions;

pub use module::BillingModuleImpl;
