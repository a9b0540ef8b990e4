//! The tables of this module.

mod memberships;
mod policies;
mod roles;
mod tenants;

pub(crate) use memberships::{MembershipRepository, MembershipSummary, PgMembershipRepository, create_membership};
pub(crate) use policies::{PgPolicyRepository, PolicyRepository, create_policy};
pub(crate) use roles::create_role;
pub(crate) use tenants::{HAS_OWN, NewTenant, PgTenantRepository, SLUG_TAKEN, TenantRepository, create_tenant};
