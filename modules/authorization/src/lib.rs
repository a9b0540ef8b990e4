//! Who may do what: tenants, roles, memberships, policies, attributes.
//!
//! - [`AuthorizationModuleImpl`]: the module, for the composition root
//! - [`seed`]: the demo tenants
//!
//! The policy engine is in `domain/`: pure, no I/O. A default deny, deny overrides, and a condition that can't be
//! evaluated never allows.

mod change;
mod domain;
mod founder;
mod founding;
mod invitations;
mod known_policies;
mod members;
mod module;
mod my_tenants;
mod operator;
mod policies;
mod postgres;
mod roles;
pub mod seed;
mod service;
mod tenants;
mod upgrade;

pub use module::AuthorizationModuleImpl;
