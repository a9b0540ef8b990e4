//! The tenant lifecycle: create, read, update, archive, restore.

use async_trait::async_trait;
use db::DbError;
use kernel::{Identity, Permit, RestorePermit, TenantId, TenantSlug, UserId, bounded_text};
use serde::Serialize;
use shaku::Interface;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{ChangeError, RoleSummary};

kernel::permission! {
    /// Read the tenant's name, plan and limits.
    pub TenantRead = "tenant", "read";
}

kernel::permission! {
    /// Update the tenant's name and slug.
    pub TenantUpdate = "tenant", "update";
}

kernel::permission! {
    /// Archive and restore the tenant.
    pub TenantArchive = "tenant", "archive";
}

bounded_text! {
    /// Display name of a tenant: a single line of 1 to 200 characters, trimmed.
    TenantName, 200 characters
}

/// Lifecycle state of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "tenant_status", rename_all = "snake_case")]
pub enum TenantStatus {
    /// In use.
    Active,
    /// Hidden from all users. Data and slug are kept.
    Archived,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = TenantResponse)]
pub struct Tenant {
    /// Immutable id.
    #[schema(value_type = Uuid)]
    pub id: TenantId,
    /// Identifies the tenant in requests, like the id.
    #[schema(value_type = String, example = "acme")]
    pub slug: TenantSlug,
    /// Display name.
    #[schema(value_type = String, example = "Acme Corp")]
    pub name: TenantName,
    /// Lifecycle state.
    pub status: TenantStatus,
    /// Subscribed plan.
    #[schema(example = "free")]
    pub plan: String,
    /// Features that the tenant may use, in no particular order.
    pub features: Vec<String>,
    /// Maximum number of members.
    #[schema(example = 5)]
    pub seat_limit: i32,
    /// Time of creation.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// A partial update; `None` leaves a field unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantChange {
    /// New display name.
    pub name: Option<TenantName>,
    /// New slug. The old one is released; other tenants can use it after 90 days.
    pub slug: Option<TenantSlug>,
}

/// Reasons why a tenant can't be created, returned or changed.
#[derive(Debug, thiserror::Error)]
pub enum TenantsError {
    /// The tenant was archived after the request had been admitted.
    #[error("no such tenant")]
    NotFound,
    /// Another tenant, possibly archived, has this slug, or released it within the last 90 days.
    #[error("the slug is taken")]
    SlugTaken,
    /// The tenant released too many slugs within the last 90 days.
    #[error("the tenant changed its slug too often; keep it or reclaim a released one")]
    TooManySlugChanges,
    /// The user has created the maximum number of tenants.
    #[error("tenant limit reached: the user has created {limit} tenants, archived ones included")]
    LimitReached {
        /// Maximum number of tenants that a user can create.
        limit: u16,
    },
    /// In [`kernel::TenancyMode::Personal`]: the user already has a personal tenant, possibly archived.
    #[error("the user already has a personal tenant")]
    PersonalTenantExists,
    /// In [`kernel::TenancyMode::Single`]: only the operator creates the tenant.
    #[error("only the operator can create a tenant in single-tenant mode")]
    SingleTenantMode,
    /// In [`kernel::TenancyMode::Single`]: the slug is fixed by the configuration.
    #[error("the slug is fixed by the configuration in single-tenant mode")]
    SlugImmutable,
    /// The caller lost the membership or the permission, or the tenant was archived, after the request had been admitted.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Manages tenants.
#[async_trait]
pub trait Tenants: Interface {
    /// Creates a tenant on the free plan, with the system roles and their policies and the user as its admin, in one
    /// transaction.
    ///
    /// Without a slug, one is derived from the name. In [`kernel::TenancyMode::Personal`] the tenant becomes the user's
    /// personal tenant.
    async fn create(
        &self,
        identity: &Identity,
        name: &TenantName,
        slug: Option<&TenantSlug>,
    ) -> Result<Tenant, TenantsError>;

    /// Returns the tenant.
    async fn get(&self, permit: &Permit<TenantRead>) -> Result<Tenant, TenantsError>;

    /// Updates name and slug.
    async fn update(&self, permit: &Permit<TenantUpdate>, change: &TenantChange) -> Result<Tenant, TenantsError>;

    /// Archives the tenant, effective from the next request.
    async fn archive(&self, permit: &Permit<TenantArchive>) -> Result<(), TenantsError>;

    /// Restores the tenant. Idempotent.
    async fn restore(&self, permit: &RestorePermit<TenantArchive>) -> Result<(), TenantsError>;
}

/// Creates tenants on behalf of the operator. It requires no proof and is therefore not available to requests.
#[async_trait]
pub trait OperatorTenants: Interface {
    /// Like [`Tenants::create`], with `admin` as the admin, but without a limit. The only way to create the tenant of
    /// [`kernel::TenancyMode::Single`]; there, any slug but the configured one is rejected with
    /// [`TenantsError::SingleTenantMode`].
    async fn create_for(&self, admin: UserId, name: &TenantName, slug: &TenantSlug) -> Result<Tenant, TenantsError>;

    /// Returns whether a tenant with this slug exists, archived or not.
    async fn exists(&self, slug: &TenantSlug) -> Result<bool, DbError>;
}

/// A tenant, as shown to one of its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = UserTenantResponse)]
pub struct UserTenant {
    /// Immutable id.
    #[schema(value_type = Uuid)]
    pub id: TenantId,
    /// Identifies the tenant in requests, like the id.
    #[schema(value_type = String, example = "acme")]
    pub slug: TenantSlug,
    /// Display name.
    #[schema(example = "Acme Corp")]
    pub name: String,
    /// The caller's role in the tenant.
    pub role: RoleSummary,
}

/// Lists the tenants of a user.
#[async_trait]
pub trait UserTenants: Interface {
    /// Returns the active tenants that the user is a member of, ordered by name.
    async fn list(&self, identity: &Identity) -> Result<Vec<UserTenant>, DbError>;
}
