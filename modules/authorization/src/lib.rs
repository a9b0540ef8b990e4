//! Authorization: tenants, roles, memberships, invitations, policies and tenant attributes.
//!
//! - [`AuthorizationModuleImpl`]: the module, for the composition root
//! - [`seed`]: the demo tenants
//!
//! The policy engine in `domain/` does no I/O. It denies by default, and a deny overrides an allow. An indeterminate
//! condition never satisfies an allow and always satisfies a deny.

mod admission;
mod domain;
mod guarded_change;
mod invitations;
mod members;
mod module;
mod operator_tenants;
mod policies;
mod policy_cache;
mod postgres;
mod provisioning;
mod roles;
pub mod seed;
mod template_upgrade;
mod tenant_creation;
mod tenants;
mod user_tenants;

pub use module::AuthorizationModuleImpl;
