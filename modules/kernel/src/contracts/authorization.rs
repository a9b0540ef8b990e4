//! Tenants, and who may do what in them.

use std::sync::Arc;

use async_trait::async_trait;
use shaku::{HasComponent, Interface};

use super::{
    Denial, Identity, Invitations, Members, Policies, PolicySet, PolicyTemplates, RestoreAdmission, RoleId,
    RoleSummary, Roles, TenantFounding, TenantId, TenantSlug, TenantTarget, Tenants, UserId, VerifiedClaims,
};
use crate::db::DbError;

/// What the kernel needs to make a [`super::TenantScope`]: the person is an active member of this active tenant.
#[derive(Debug)]
pub struct Admission {
    /// The tenant.
    pub tenant: TenantId,
    /// The person.
    pub user: UserId,
    /// The member's role.
    pub role: RoleId,
    /// The tenant's policies, compiled.
    pub policies: Arc<dyn PolicySet>,
}

/// Why somebody isn't let in.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// The person doesn't exist or is deactivated.
    #[error("no such person")]
    NoPerson,
    /// The tenant doesn't exist, is archived, or the person isn't a member.
    #[error("no such tenant")]
    NoTenant,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The gate to a tenant.
#[async_trait]
pub trait AuthorizationService: Interface {
    /// Person, membership and role, in one statement; the tenant's policies as they are at that moment, from memory
    /// where they are known.
    async fn admit(&self, claims: &VerifiedClaims, tenant: TenantTarget<'_>) -> Result<Admission, AdmissionError>;

    /// The same, where the tenant may be archived.
    async fn admit_to_restore(
        &self,
        claims: &VerifiedClaims,
        tenant: TenantTarget<'_>,
    ) -> Result<RestoreAdmission, AdmissionError>;
}

/// What can go wrong in the authorization module.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizationError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Why a change to who may do what in a tenant isn't made, whatever it is that changes.
#[derive(Debug, thiserror::Error)]
pub enum ChangeRefused {
    /// The tenant has been archived since the request was let in, or the caller is no member any more.
    #[error("no such tenant")]
    Gone,
    /// The policies have changed since the request was let in.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// Somebody would get what the caller doesn't hold under the same conditions.
    #[error("the caller doesn't hold {permission} and can't grant it")]
    NotHeld {
        /// A resource and a verb, either of which may be `*`.
        permission: String,
    },
    /// There would be no active member any more who may do everything: allowed `*:*` without a condition, and denied
    /// nothing. Such a member can take back whatever others do.
    #[error("nobody would be left who may do everything")]
    LastAdmin,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// A tenant from a member's point of view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MyTenant {
    /// Stays the same for good.
    pub id: TenantId,
    /// Names the tenant in addresses and headers.
    pub slug: TenantSlug,
    /// What people call it.
    pub name: String,
    /// The caller's role there.
    pub role: RoleSummary,
}

/// The tenants of a person.
#[async_trait]
pub trait MyTenants: Interface {
    /// The active tenants that the person is a member of, by name.
    async fn list(&self, identity: &Identity) -> Result<Vec<MyTenant>, AuthorizationError>;
}

/// The module `authorization`, as others see it.
pub trait AuthorizationModule:
    HasComponent<dyn AuthorizationService>
    + HasComponent<dyn Invitations>
    + HasComponent<dyn Members>
    + HasComponent<dyn MyTenants>
    + HasComponent<dyn Policies>
    + HasComponent<dyn Roles>
    + HasComponent<dyn TenantFounding>
    + HasComponent<dyn PolicyTemplates>
    + HasComponent<dyn Tenants>
{
}
