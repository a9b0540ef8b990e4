//! A tenant itself.

use kernel::contracts::{
    TenancyMode, Tenant, TenantArchive, TenantChange, TenantRead, TenantStatus, TenantUpdate, Tenants,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::{
    extract::{Body, Inject},
    validation::{zip_errors, validate, non_null, validate_optional},
    access::{Access, RestoreAccess, SignedIn, Authorized},
    problem::Problem,
    route::{Created, Json, NoContent, Routes},
};

/// A tenant to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateTenantRequest {
    /// What people call it, on one line.
    #[schema(example = "Initech LLC", min_length = 1, max_length = 200)]
    name: String,
    /// Names it in requests: letters a-z, digits and single inner hyphens. Without it, one is made from the name.
    #[schema(example = "initech", min_length = 3, max_length = 63, nullable = false)]
    #[serde(default, deserialize_with = "non_null")]
    slug: Option<String>,
}

/// What is to be another: at least one of these.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateTenantRequest {
    /// What people call it, on one line.
    #[schema(example = "Acme Corporation", min_length = 1, max_length = 200, nullable = false)]
    #[serde(default, deserialize_with = "non_null")]
    name: Option<String>,
    /// Names it in requests from now on. The old one is free for others.
    #[schema(example = "acme-corporation", min_length = 3, max_length = 63, nullable = false)]
    #[serde(default, deserialize_with = "non_null")]
    slug: Option<String>,
}

/// A tenant.
#[derive(Serialize, ToSchema)]
pub(super) struct TenantResponse {
    id: Uuid,
    /// Names it in requests, as does the id.
    #[schema(example = "acme")]
    slug: String,
    #[schema(example = "Acme Corp")]
    name: String,
    status: TenantStatusDto,
    #[schema(example = "free")]
    plan: String,
    /// What the tenant may use beyond what everybody may.
    features: Vec<String>,
    /// How many people may be members.
    #[schema(example = 5)]
    seat_limit: i32,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

/// Whether the tenant is in use.
#[derive(Serialize, ToSchema)]
#[schema(as = TenantStatus)]
#[serde(rename_all = "snake_case")]
enum TenantStatusDto {
    Active,
    Archived,
}

/// The routes of this file.
pub(super) fn register(routes: &mut Routes, tenancy: &TenancyMode) {
    routes.post("/v1/tenants", "Found a tenant, on the free plan and with me as its admin", create).problems(
        match tenancy {
            TenancyMode::Organization(_) => {
                &[(409, "The slug is taken"), (409, "I am admin of too many tenants to found another")]
            }
            TenancyMode::Personal => &[(409, "The slug is taken"), (409, "I have my tenant already")],
            TenancyMode::Single(_) => &[(409, "There is one tenant, which the operator founds")],
        },
    );
    routes.get("/v1/tenant", "Read the tenant", show);
    routes.patch("/v1/tenant", "Change the tenant's name or slug", update).problems(&[(409, "The slug is taken")]);
    routes.post("/v1/tenant/archive", "Archive the tenant: from now on it answers like one that isn't there", archive);
    routes.post("/v1/tenant/restore", "Restore the tenant, which may be archived", restore);
}

async fn create(
    Authorized(me, Body(request)): Authorized<SignedIn, Body<CreateTenantRequest>>,
    tenants: Inject<dyn Tenants>,
) -> Result<Created<TenantResponse>, Problem> {
    let (name, slug) = zip_errors(validate("/name", &request.name), validate_optional("/slug", request.slug.as_deref()))?;
    let tenant = tenants.create(&me, &name, slug.as_ref()).await?;
    Ok(Created { location: "/v1/tenant", body: tenant.into() })
}

async fn show(access: Access<TenantRead>, tenants: Inject<dyn Tenants>) -> Result<Json<TenantResponse>, Problem> {
    Ok(Json(tenants.get(&access).await?.into()))
}

async fn update(
    Authorized(access, Body(request)): Authorized<Access<TenantUpdate>, Body<UpdateTenantRequest>>,
    tenants: Inject<dyn Tenants>,
) -> Result<Json<TenantResponse>, Problem> {
    let (name, slug) = zip_errors(validate_optional("/name", request.name.as_deref()), validate_optional("/slug", request.slug.as_deref()))?;
    if name.is_none() && slug.is_none() {
        return Err(Problem::empty_patch());
    }
    Ok(Json(tenants.update(&access, &TenantChange { name, slug }).await?.into()))
}

async fn archive(access: Access<TenantArchive>, tenants: Inject<dyn Tenants>) -> Result<NoContent, Problem> {
    tenants.archive(&access).await?;
    Ok(NoContent)
}

async fn restore(restore: RestoreAccess, tenants: Inject<dyn Tenants>) -> Result<NoContent, Problem> {
    tenants.restore(&restore).await?;
    Ok(NoContent)
}

impl From<Tenant> for TenantResponse {
    fn from(Tenant { id, slug, name, status, plan, features, seat_limit, created_at }: Tenant) -> Self {
        let (id, slug, name) = (id.as_uuid(), slug.to_string(), name.to_string());
        Self { id, slug, name, status: status.into(), plan, features, seat_limit, created_at }
    }
}

impl From<TenantStatus> for TenantStatusDto {
    fn from(status: TenantStatus) -> Self {
        match status {
            TenantStatus::Active => Self::Active,
            TenantStatus::Archived => Self::Archived,
        }
    }
}
