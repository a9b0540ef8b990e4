//! The caller's profile.

use authorization_api::{AuthorizationError, UserTenant, UserTenants};
use kernel::IdentityError;
use serde::{Deserialize, Serialize};
use user_api::{ProfileError, Profiles, User};
use utoipa::ToSchema;
use uuid::Uuid;

use super::members::RoleSummaryResponse;
use crate::http::{
    access::{Authorized, SignedIn},
    extract::{Body, Inject},
    problem::Problem,
    route::{Json, Routes},
    validation::{non_null, validate},
};

/// The caller's profile and tenants.
#[derive(Serialize, ToSchema)]
pub(super) struct MeResponse {
    id: Uuid,
    #[schema(example = "alice@example.com")]
    email: String,
    /// The name that other members see.
    #[schema(example = "Alice Adams")]
    display_name: String,
    /// The caller's active tenants, ordered by name.
    tenants: Vec<UserTenantResponse>,
}

/// A tenant that the caller is a member of.
#[derive(Serialize, ToSchema)]
pub(super) struct UserTenantResponse {
    id: Uuid,
    /// Identifies the tenant in requests, like the id.
    #[schema(example = "acme")]
    slug: String,
    #[schema(example = "Acme Corp")]
    name: String,
    role: RoleSummaryResponse,
}

/// Changes to the caller's profile.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateProfileRequest {
    /// The name that other members see in every tenant. A single line.
    #[schema(example = "Alice A. Adams", min_length = 1, max_length = 200, nullable = false)]
    #[serde(default, deserialize_with = "non_null")]
    display_name: Option<String>,
}

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/me", "Read the caller's profile and tenants", show);
    routes.patch("/v1/me", "Update the caller's profile", update);
}

async fn show(
    me: SignedIn,
    profiles: Inject<dyn Profiles>,
    tenants: Inject<dyn UserTenants>,
) -> Result<Json<MeResponse>, Problem> {
    Ok(Json(MeResponse::new(profiles.get(&me).await?, tenants.list(&me).await?)))
}

async fn update(
    Authorized(me, Body(request)): Authorized<SignedIn, Body<UpdateProfileRequest>>,
    profiles: Inject<dyn Profiles>,
    tenants: Inject<dyn UserTenants>,
) -> Result<Json<MeResponse>, Problem> {
    let name = request.display_name.ok_or_else(Problem::empty_patch)?;
    let name = validate("/display_name", &name)?;
    let user = profiles.rename(&me, &name).await?;
    Ok(Json(MeResponse::new(user, tenants.list(&me).await?)))
}

impl MeResponse {
    fn new(user: User, tenants: Vec<UserTenant>) -> Self {
        let tenants = tenants.into_iter().map(Into::into).collect();
        Self { id: user.id.as_uuid(), email: user.email.to_string(), display_name: user.display_name, tenants }
    }
}

impl From<UserTenant> for UserTenantResponse {
    fn from(UserTenant { id, slug, name, role }: UserTenant) -> Self {
        Self { id: id.as_uuid(), slug: slug.to_string(), name, role: role.into() }
    }
}

impl From<ProfileError> for Problem {
    fn from(error: ProfileError) -> Self {
        match error {
            ProfileError::NotFound => IdentityError::Invalid.into(),
            ProfileError::Db(error) => error.into(),
        }
    }
}

impl From<AuthorizationError> for Problem {
    fn from(AuthorizationError::Db(error): AuthorizationError) -> Self {
        error.into()
    }
}
