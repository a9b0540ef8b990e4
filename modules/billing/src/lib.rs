//! Billing: subscriptions.
//!
//! - [`BillingModule`]: the module, for the composition root
//! - [`seed`]: the demo subscriptions
//!
//! Reading requires [`billing_api::BillingRead`].

mod module;
pub mod seed;
mod subscriptions;

pub use module::BillingModule;
