//! The tenant.

use authorization_api::{Tenant, TenantArchive, TenantChange, TenantRead, TenantUpdate, Tenants, TenantsError};
use kernel::{ScopeError, TenancyMode};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::{
    access::{Access, Authorized, RestoreAccess, SignedIn},
    extract::{Body, Inject},
    problem::{
        Problem,
        types::{
            PERSONAL_TENANT_EXISTS, SLUG_TAKEN, TENANT_CREATION_DISABLED, TOO_MANY_SLUG_CHANGES, TOO_MANY_TENANTS,
        },
    },
    route::{CreatedWithoutUrl, Json, NoContent, Routes},
    validation::{non_null, validate, validate_optional, zip_errors},
};

/// A new tenant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateTenantRequest {
    /// A single line.
    #[schema(example = "Initech LLC", min_length = 1, max_length = 200)]
    name: String,
    /// Identifies the tenant in requests: letters a-z, digits and single hyphens between them. Derived from the name if
    /// absent.
    #[schema(
        example = "initech",
        min_length = 3,
        max_length = 63,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        nullable = false
    )]
    #[serde(default, deserialize_with = "non_null")]
    slug: Option<String>,
}

/// Changes to a tenant: at least one field.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1)]
pub(super) struct UpdateTenantRequest {
    /// A single line.
    #[schema(example = "Acme Corporation", min_length = 1, max_length = 200, nullable = false)]
    #[serde(default, deserialize_with = "non_null")]
    name: Option<String>,
    /// Identifies the tenant in requests. Other tenants can use the old slug after 90 days.
    #[schema(
        example = "acme-corporation",
        min_length = 3,
        max_length = 63,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        nullable = false
    )]
    #[serde(default, deserialize_with = "non_null")]
    slug: Option<String>,
}

pub(super) fn register(routes: &mut Routes, tenancy: &TenancyMode) {
    routes.post("/v1/tenants", "Create a tenant on the free plan with the caller as admin", create).problems(
        match tenancy {
            TenancyMode::Organization(_) => &[SLUG_TAKEN, TOO_MANY_TENANTS],
            TenancyMode::Personal => &[SLUG_TAKEN, PERSONAL_TENANT_EXISTS],
            TenancyMode::Single(_) => &[TENANT_CREATION_DISABLED],
        },
    );
    routes.get("/v1/tenant", "Read the tenant", show);
    routes
        .patch("/v1/tenant", "Update the tenant's name or slug", update)
        .problems(&[SLUG_TAKEN, TOO_MANY_SLUG_CHANGES]);
    routes.post("/v1/tenant/archive", "Archive the tenant; it then responds as if it did not exist", archive);
    routes.post("/v1/tenant/restore", "Restore the archived tenant", restore);
}

async fn create(
    Authorized(me, Body(request)): Authorized<SignedIn, Body<CreateTenantRequest>>,
    tenants: Inject<dyn Tenants>,
) -> Result<CreatedWithoutUrl<Tenant>, Problem> {
    let (name, slug) =
        zip_errors(validate("/name", &request.name), validate_optional("/slug", request.slug.as_deref()))?;
    // GET /v1/tenant returns the tenant that the request selects, so it is not the URL of this one.
    Ok(CreatedWithoutUrl(tenants.create(&me, &name, slug.as_ref()).await?))
}

async fn show(access: Access<TenantRead>, tenants: Inject<dyn Tenants>) -> Result<Json<Tenant>, Problem> {
    Ok(Json(tenants.get(&access).await?))
}

async fn update(
    Authorized(access, Body(request)): Authorized<Access<TenantUpdate>, Body<UpdateTenantRequest>>,
    tenants: Inject<dyn Tenants>,
) -> Result<Json<Tenant>, Problem> {
    let (name, slug) = zip_errors(
        validate_optional("/name", request.name.as_deref()),
        validate_optional("/slug", request.slug.as_deref()),
    )?;
    if name.is_none() && slug.is_none() {
        return Err(Problem::empty_patch());
    }
    Ok(Json(tenants.update(&access, &TenantChange { name, slug }).await?))
}

async fn archive(access: Access<TenantArchive>, tenants: Inject<dyn Tenants>) -> Result<NoContent, Problem> {
    tenants.archive(&access).await?;
    Ok(NoContent)
}

async fn restore(restore: RestoreAccess, tenants: Inject<dyn Tenants>) -> Result<NoContent, Problem> {
    tenants.restore(&restore).await?;
    Ok(NoContent)
}

impl From<TenantsError> for Problem {
    fn from(error: TenantsError) -> Self {
        match error {
            TenantsError::NotFound => ScopeError::NotFound.into(),
            TenantsError::SlugTaken => Self::from(SLUG_TAKEN).with_field_error("/slug", "Already in use."),
            TenantsError::TooManySlugChanges => TOO_MANY_SLUG_CHANGES.into(),
            TenantsError::LimitReached { limit } => Self::new(
                TOO_MANY_TENANTS,
                format!(
                    "A user can create at most {limit} tenants. Archived ones and those that the user has left count."
                ),
            ),
            TenantsError::PersonalTenantExists => PERSONAL_TENANT_EXISTS.into(),
            TenantsError::SingleTenantMode => TENANT_CREATION_DISABLED.into(),
            TenantsError::SlugImmutable => {
                Self::invalid_body_at("/slug", "The slug of the only tenant can't be changed.")
            }
            TenantsError::Change(error) => error.into(),
            TenantsError::Db(error) => error.into(),
        }
    }
}
