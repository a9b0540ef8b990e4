//! The tables of this module.

mod invitation_acceptance;
mod invitations;
mod memberships;
mod policies;
mod roles;
mod policy_state;
mod templates;
mod tenants;

pub(crate) use invitation_acceptance::{AcceptanceRepository, PgAcceptanceRepository, Capacity, PendingInvitation, create_expired_invitation};
pub(crate) use invitations::{InvitationRepository, NewInvitation, InviteConflicts, PgInvitationRepository};
pub(crate) use memberships::{MembershipRepository, MembershipSummary, PgMembershipRepository, create_membership};
pub(crate) use policies::{UNIQUE_POLICY, PgPolicyRepository, PolicyRepository, StoredPolicy};
pub(crate) use roles::{PgRoleRepository, ROLE_REFERENCES, UNIQUE_ROLE_NAME, RoleRepository};
pub(crate) use policy_state::{PgPolicyStateRepository, RoleUsage, PolicyStateRepository, PolicyState};
pub(crate) use templates::{
    insert_additions, lock_tenants, lock_tenants_skip_locked, set_template_version, find_template_states, tenants_at_versions, tenants_behind,
};
pub(crate) use tenants::{UNIQUE_PERSONAL_TENANT, NewTenant, PgTenantRepository, UNIQUE_SLUG, TenantRepository, create_tenant};
