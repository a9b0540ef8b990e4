//! Authorization: tenants, roles, memberships, invitations, policies and tenant attributes.
//!
//! - [`AuthorizationModule`]: the module, for the composition root
//! - [`seed`]: the demo tenants
//! - [`parse_ip_range`]: IP ranges in conditions and in the configuration
//!
//! The policy engine in `engine/` does no I/O. It denies by default, and a deny overrides an allow. An indeterminate
//! condition never satisfies an allow and always satisfies a deny.

mod admission;
mod engine;
mod guarded_change;
mod invitations;
mod members;
mod module;
mod policies;
mod roles;
pub mod seed;
mod templates;
mod tenants;

pub use engine::{IpRangeError, parse_ip_range};
pub use module::AuthorizationModule;
