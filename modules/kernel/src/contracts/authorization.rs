//! Tenants, and who may do what in them.

use std::sync::Arc;

use async_trait::async_trait;
use shaku::{HasComponent, Interface};
use time::OffsetDateTime;

use super::{
    Identity, Permit, Person, PolicySet, PolicyTemplates, RestoreAdmission, TenantId, TenantRef, TenantSlug, Tenants,
    UserId, UserRead, VerifiedClaims,
};
use crate::{db::DbError, id::id};

id! {
    /// A role in a tenant.
    RoleId
}

crate::permission! {
    /// Read the tenant's policies, and which of them decided.
    pub PolicyRead = "policy", "read";
}

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
    async fn admit(&self, claims: VerifiedClaims, tenant: &TenantRef) -> Result<Admission, AdmissionError>;

    /// The same, where the tenant may be archived.
    async fn admit_to_restore(
        &self,
        claims: VerifiedClaims,
        tenant: &TenantRef,
    ) -> Result<RestoreAdmission, AdmissionError>;
}

/// What can go wrong in the authorization module.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizationError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// A role as shown to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleSummary {
    /// Stays the same for good.
    pub id: RoleId,
    /// Unique in its tenant, whatever the case.
    pub name: String,
}

/// A member of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The person.
    pub person: Person,
    /// What they are here.
    pub role: RoleSummary,
    /// Since when.
    pub since: OffsetDateTime,
}

/// Why there is no such member.
#[derive(Debug, thiserror::Error)]
pub enum MembersError {
    /// Not a member of this tenant, if a person at all: nobody learns which.
    #[error("no such member")]
    NotFound,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The members of a tenant.
#[async_trait]
pub trait Members: Interface {
    /// A page of members by id, from the first one after `after`; at most `limit`.
    async fn list(
        &self,
        permit: &Permit<UserRead>,
        after: Option<UserId>,
        limit: u16,
    ) -> Result<Vec<Member>, MembersError>;

    /// One member.
    async fn get(&self, permit: &Permit<UserRead>, user: UserId) -> Result<Member, MembersError>;
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
    + HasComponent<dyn Members>
    + HasComponent<dyn MyTenants>
    + HasComponent<dyn PolicyTemplates>
    + HasComponent<dyn Tenants>
{
}
