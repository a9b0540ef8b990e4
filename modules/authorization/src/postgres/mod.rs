//! The tables of this module.

mod acceptance;
mod invitations;
mod memberships;
mod policies;
mod roles;
mod tenants;

pub(crate) use acceptance::{AcceptanceRepository, PgAcceptanceRepository, create_expired_invitation};
pub(crate) use invitations::{InvitationRepository, NO_SUCH_ROLE, NewInvitation, Obstacles, PgInvitationRepository};
pub(crate) use memberships::{MembershipRepository, MembershipSummary, PgMembershipRepository, create_membership};
pub(crate) use policies::{PgPolicyRepository, PolicyRepository, create_policy};
pub(crate) use roles::create_role;
pub(crate) use tenants::{NewTenant, PgTenantRepository, SLUG_TAKEN, TenantRepository, create_tenant};
