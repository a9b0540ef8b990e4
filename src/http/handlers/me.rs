//! The caller's profile.

use authorization_api::{UserTenant, UserTenants};
use kernel::{Email, IdentityError, UserId};
use serde::{Deserialize, Serialize};
use user_api::{ProfileError, Profiles, User};
use utoipa::ToSchema;

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
    #[schema(value_type = Uuid)]
    id: UserId,
    #[schema(value_type = String, example = "alice@example.com")]
    email: Email,
    /// The name that other members see.
    #[schema(example = "Alice Adams")]
    display_name: String,
    /// The caller's active tenants, ordered by name.
    tenants: Vec<UserTenant>,
}

/// Changes to the caller's profile.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1)]
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
    fn new(User { id, email, display_name, .. }: User, tenants: Vec<UserTenant>) -> Self {
        Self { id, email, display_name, tenants }
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
