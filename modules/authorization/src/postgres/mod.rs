//! The tables of this module.

mod memberships;
mod policies;
mod roles;
mod rules;
mod tenants;

pub(crate) use memberships::{MembershipRepository, MembershipSummary, PgMembershipRepository, create_membership};
pub(crate) use policies::{POLICY_EXISTS, PgPolicyRepository, PolicyRepository, StoredPolicy, create_policy};
pub(crate) use roles::{PgRoleRepository, ROLE_IN_USE, ROLE_NAME_TAKEN, RoleRepository, create_role};
pub(crate) use rules::{PgRuleRepository, RoleInUse, RuleRepository, Rules};
pub(crate) use tenants::{HAS_OWN, NewTenant, PgTenantRepository, SLUG_TAKEN, TenantRepository, create_tenant};
