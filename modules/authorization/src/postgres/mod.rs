//! The tables of this module.

mod memberships;
mod policies;
mod templates;
mod tenants;

pub(crate) use memberships::{MembershipRepository, MembershipSummary, PgMembershipRepository, create_membership};
pub(crate) use policies::{PgPolicyRepository, PolicyRepository};
pub(crate) use templates::{
    add, lock_tenants, lock_tenants_nobody_changes, set_version, templated, tenants_at_versions, tenants_behind,
};
pub(crate) use tenants::{NewTenant, PgTenantRepository, SLUG_TAKEN, TenantRepository, create_tenant};
