//! Tenant admission, and the errors shared by everything that changes permissions.

use std::sync::Arc;

use async_trait::async_trait;
use shaku::{HasComponent, Interface};

use super::{
    Identity, Invitations, Members, OperatorTenants, PermissionDenied, Policies, PolicySet, PolicyTemplates,
    RestoreAdmission, RoleId, RoleSummary, Roles, TenantId, TenantSlug, TenantTarget, Tenants, UserId, VerifiedClaims,
};
use crate::db::DbError;

/// Input for a [`super::TenantScope`]: the user is an active member of this active tenant.
#[derive(Debug)]
pub struct Admission {
    /// The tenant.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
    /// The member's role.
    pub role: RoleId,
    /// The tenant's compiled policies.
    pub policies: Arc<dyn PolicySet>,
}

/// Reasons why a user isn't admitted to a tenant.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// The user doesn't exist or is deactivated.
    #[error("no such user")]
    UserNotFound,
    /// The tenant doesn't exist, is archived, or the user isn't a member.
    #[error("no such tenant")]
    TenantNotFound,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Admits users to tenants.
#[async_trait]
pub trait TenantAdmission: Interface {
    /// Loads user, membership and role in one statement. The policies are current; they come from the cache if it has
    /// this version.
    async fn admit(&self, claims: &VerifiedClaims, tenant: TenantTarget<'_>) -> Result<Admission, AdmissionError>;

    /// Like [`Self::admit`], but also admits to an archived tenant.
    async fn admit_to_restore(
        &self,
        claims: &VerifiedClaims,
        tenant: TenantTarget<'_>,
    ) -> Result<RestoreAdmission, AdmissionError>;
}

/// Errors of the authorization module.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizationError {
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Reasons why a change to a tenant's permissions (roles, policies, members, invitations) is rejected.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The tenant was archived or the caller was removed after the request had been admitted.
    #[error("no such tenant")]
    NoLongerMember,
    /// The caller's permission was revoked after the request had been admitted.
    #[error(transparent)]
    Denied(#[from] PermissionDenied),
    /// The change would grant a permission that the caller doesn't hold under the same conditions.
    #[error("privilege escalation: the caller doesn't hold {permission} and can't grant it")]
    PrivilegeEscalation {
        /// `resource:verb`; either part may be `*`.
        permission: String,
    },
    /// The tenant would be left without an admin: an active member who is allowed `*:*` unconditionally and denied
    /// nothing. Only such a member can undo every other change.
    #[error("the tenant would be left without an admin; promote another admin first")]
    LastAdmin,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// A tenant, as shown to one of its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserTenant {
    /// Immutable id.
    pub id: TenantId,
    /// Name in URLs and headers.
    pub slug: TenantSlug,
    /// Display name.
    pub name: String,
    /// The caller's role in the tenant.
    pub role: RoleSummary,
}

/// Lists the tenants of a user.
#[async_trait]
pub trait UserTenants: Interface {
    /// Returns the active tenants that the user is a member of, ordered by name.
    async fn list(&self, identity: &Identity) -> Result<Vec<UserTenant>, AuthorizationError>;
}

/// The interface of the module `authorization`.
pub trait AuthorizationModule:
    HasComponent<dyn TenantAdmission>
    + HasComponent<dyn Invitations>
    + HasComponent<dyn Members>
    + HasComponent<dyn UserTenants>
    + HasComponent<dyn Policies>
    + HasComponent<dyn Roles>
    + HasComponent<dyn OperatorTenants>
    + HasComponent<dyn PolicyTemplates>
    + HasComponent<dyn Tenants>
{
}
