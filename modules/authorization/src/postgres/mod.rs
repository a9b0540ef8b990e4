//! The repositories for this module's tables.

mod invitation_acceptance;
mod invitations;
mod memberships;
mod policies;
mod policy_state;
mod roles;
mod templates;
mod tenants;

pub(crate) use invitation_acceptance::{
    AcceptanceConflicts, AcceptanceRepository, OpenInvitation, PgAcceptanceRepository, create_expired_invitation,
};
pub(crate) use invitations::{InvitationConflicts, InvitationRepository, NewInvitation, PgInvitationRepository};
pub(crate) use memberships::{MembershipRepository, MembershipSummary, PgMembershipRepository, create_membership};
pub(crate) use policies::{PgPolicyRepository, PolicyRepository, StoredPolicy, UNIQUE_POLICY};
pub(crate) use policy_state::{PgPolicyStateRepository, PolicyState, PolicyStateRepository, RoleUsage};
pub(crate) use roles::{PgRoleRepository, ROLE_REFERENCES, RoleRepository, UNIQUE_ROLE_NAME};
pub(crate) use templates::{
    count_tenants_by_version, find_template_states, insert_additions, lock_tenants, lock_tenants_skip_locked,
    set_template_version, tenants_behind,
};
pub(crate) use tenants::{
    NewTenant, PgTenantRepository, TenantRepository, UNIQUE_PERSONAL_TENANT, UNIQUE_SLUG, create_tenant,
};
