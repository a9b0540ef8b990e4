//! Authorization: tenants, roles, memberships, invitations, policies and tenant attributes.
//!
//! - [`AuthorizationModuleImpl`]: the module, for the composition root
//! - [`seed`]: the demo tenants
//!
//! The policy engine in `domain/` does no I/O. It denies by default, and a deny overrides an allow. An indeterminate
//! condition never satisfies an allow and always satisfies a deny.

mod guarded_change;
mod domain;
mod tenant_creator;
mod provisioning;
mod invitations;
mod policy_cache;
mod members;
mod module;
mod user_tenants;
mod operator_tenants;
mod policies;
mod postgres;
mod roles;
pub mod seed;
mod admission;
mod tenants;
mod template_upgrade;

pub use module::AuthorizationModuleImpl;
