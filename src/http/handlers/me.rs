//! The caller.

use kernel::contracts::{MyTenant, MyTenants, Profiles, User};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::members::RoleBody;
use crate::http::{
    extract::{Body, Scoped},
    fields::{field, given},
    guard::{SignedIn, Then},
    problem::Problem,
    route::{Json, Routes},
};

/// The caller.
#[derive(Serialize, ToSchema)]
pub(super) struct Me {
    id: Uuid,
    #[schema(example = "alice@example.com")]
    email: String,
    /// What others see.
    #[schema(example = "Alice Adams")]
    display_name: String,
    /// The active tenants, by name.
    tenants: Vec<TenantBody>,
}

/// A tenant that the caller is a member of.
#[derive(Serialize, ToSchema)]
pub(super) struct TenantBody {
    id: Uuid,
    /// Names it in requests, as does the id.
    #[schema(example = "acme")]
    slug: String,
    #[schema(example = "Acme Corp")]
    name: String,
    role: RoleBody,
}

/// What is to be another.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileChangeRequest {
    /// What others see, in every tenant; on one line.
    #[schema(example = "Alice A. Adams", min_length = 1, max_length = 200, nullable = false)]
    #[serde(default, deserialize_with = "given")]
    display_name: Option<String>,
}

/// The routes of this file.
pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/me", "Who am I, and which tenants am I a member of", show);
    routes.patch("/v1/me", "Change what others see of me, in every tenant", update);
}

async fn show(
    me: SignedIn,
    profiles: Scoped<dyn Profiles>,
    tenants: Scoped<dyn MyTenants>,
) -> Result<Json<Me>, Problem> {
    Ok(Json(Me::new(profiles.get(&me).await?, tenants.list(&me).await?)))
}

async fn update(
    Then(me, Body(request)): Then<SignedIn, Body<ProfileChangeRequest>>,
    profiles: Scoped<dyn Profiles>,
    tenants: Scoped<dyn MyTenants>,
) -> Result<Json<Me>, Problem> {
    let name = request.display_name.ok_or_else(Problem::nothing_given)?;
    let name = field("/display_name", &name)?;
    let person = profiles.rename(&me, &name).await?;
    Ok(Json(Me::new(person, tenants.list(&me).await?)))
}

impl Me {
    fn new(person: User, tenants: Vec<MyTenant>) -> Self {
        let tenants = tenants.into_iter().map(Into::into).collect();
        Self { id: person.id.as_uuid(), email: person.email.to_string(), display_name: person.display_name, tenants }
    }
}

impl From<MyTenant> for TenantBody {
    fn from(MyTenant { id, slug, name, role }: MyTenant) -> Self {
        Self { id: id.as_uuid(), slug: slug.to_string(), name, role: role.into() }
    }
}
