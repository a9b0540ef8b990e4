//! The tables of this module.

mod acceptance;
mod invitations;
mod memberships;
mod policies;
mod roles;
mod rules;
mod templates;
mod tenants;

pub(crate) use acceptance::{AcceptanceRepository, PgAcceptanceRepository, Room, Standing, create_expired_invitation};
pub(crate) use invitations::{InvitationRepository, NewInvitation, Obstacles, PgInvitationRepository};
pub(crate) use memberships::{MembershipRepository, MembershipSummary, PgMembershipRepository, create_membership};
pub(crate) use policies::{POLICY_EXISTS, PgPolicyRepository, PolicyRepository, StoredPolicy};
pub(crate) use roles::{PgRoleRepository, ROLE_IN_USE, ROLE_NAME_TAKEN, RoleRepository};
pub(crate) use rules::{PgRuleRepository, RoleInUse, RuleRepository, Rules};
pub(crate) use templates::{
    add, lock_tenants, lock_tenants_nobody_changes, set_version, templated, tenants_at_versions, tenants_behind,
};
pub(crate) use tenants::{HAS_OWN, NewTenant, PgTenantRepository, SLUG_TAKEN, TenantRepository, create_tenant};
