//! A tenant itself: founded, read, changed, archived, restored.

use async_trait::async_trait;
use shaku::Interface;
use time::OffsetDateTime;

use super::{Identity, Permit, RestorePermit, TenantId, TenantSlug, UserId, bounded_text::bounded_text};
use crate::db::DbError;

crate::permission! {
    /// Read what the tenant is called, and what it has.
    pub TenantRead = "tenant", "read";
}

crate::permission! {
    /// Change what the tenant is called.
    pub TenantUpdate = "tenant", "update";
}

crate::permission! {
    /// Archive the tenant, and restore it.
    pub TenantArchive = "tenant", "archive";
}

bounded_text! {
    /// What people call a tenant: a line of 1 to 200 characters, trimmed.
    TenantName, 200 characters;
    /// The text can't be a tenant's name.
    InvalidTenantName
}

/// Whether a tenant is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "tenant_status", rename_all = "snake_case")]
pub enum TenantStatus {
    /// In use.
    Active,
    /// As good as gone, to everybody. Its data stays, and so does its slug.
    Archived,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Stays the same for good.
    pub id: TenantId,
    /// Names the tenant in addresses and headers.
    pub slug: TenantSlug,
    /// What people call it.
    pub name: TenantName,
    /// Whether it is in use.
    pub status: TenantStatus,
    /// What it pays for.
    pub plan: String,
    /// What it may use beyond what everybody may, in no particular order.
    pub features: Vec<String>,
    /// How many people may be members.
    pub seat_limit: i32,
    /// When it was founded.
    pub created_at: OffsetDateTime,
}

/// What is to be another; what isn't given stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantChange {
    /// What people call it.
    pub name: Option<TenantName>,
    /// What names it from now on. The old one is free for others.
    pub slug: Option<TenantSlug>,
}

/// Why a tenant couldn't be founded, read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TenantsError {
    /// It has been archived since the request was let in.
    #[error("no such tenant")]
    NotFound,
    /// Another tenant has this slug, archived or not.
    #[error("the slug is taken")]
    SlugTaken,
    /// The person is admin of as many tenants as one person may found.
    #[error("admin of too many tenants to found another")]
    LimitReached {
        /// How many that is.
        limit: u16,
    },
    /// Each person has one tenant of their own, and this one has it already, archived or not.
    #[error("the person has a tenant of their own already")]
    PersonalTenantExists,
    /// There is to be one tenant, and founding it is the operator's business.
    #[error("there is one tenant, which the operator founds")]
    SingleTenantMode,
    /// The one tenant is found by its slug, which the configuration has.
    #[error("the one tenant keeps its slug")]
    SlugImmutable,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// A tenant itself.
#[async_trait]
pub trait Tenants: Interface {
    /// Makes a tenant on the free plan, with the system roles and their policies, and the person as its admin: all of it
    /// or nothing. Without a slug it gets one that is made from its name. In the mode [`super::TenancyMode::Personal`] it is
    /// the person's own.
    async fn create(
        &self,
        identity: &Identity,
        name: &TenantName,
        slug: Option<&TenantSlug>,
    ) -> Result<Tenant, TenantsError>;

    /// The tenant.
    async fn get(&self, permit: &Permit<TenantRead>) -> Result<Tenant, TenantsError>;

    /// Changes what it is called.
    async fn update(&self, permit: &Permit<TenantUpdate>, change: &TenantChange) -> Result<Tenant, TenantsError>;

    /// From the next request on, it is as if it weren't there. Done twice, it is done once.
    async fn archive(&self, permit: &Permit<TenantArchive>) -> Result<(), TenantsError>;

    /// Takes that back. Done twice, it is done once.
    async fn restore(&self, permit: &RestorePermit) -> Result<(), TenantsError>;
}

/// Founding on the word of whoever operates the program. It asks for no proof, so no request has it.
#[async_trait]
pub trait TenantProvisioning: Interface {
    /// As [`Tenants::create`], with this person as the admin. It is the one way to the one tenant of the mode
    /// [`super::TenancyMode::Single`]; there, another slug than the configured one is [`TenantsError::SingleTenantMode`].
    async fn create_for(&self, admin: UserId, name: &TenantName, slug: &TenantSlug) -> Result<Tenant, TenantsError>;

    /// Whether there is a tenant of this slug, archived or not.
    async fn exists(&self, slug: &TenantSlug) -> Result<bool, DbError>;
}
