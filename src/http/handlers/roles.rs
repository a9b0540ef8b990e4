//! The roles of a tenant.

use kernel::contracts::{Role, RoleId, RoleManage, RoleRead, Roles};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::{
    extract::{Body, PathId, Inject},
    validation::validate,
    access::{Access, Authorized},
    problem::Problem,
    route::{Created, Json, NoContent, Routes},
};

/// A role to be, or its name from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleRequest {
    /// What people call it, on one line; unique in the tenant, whatever the case.
    #[schema(example = "auditor", min_length = 1, max_length = 100)]
    name: String,
}

/// A role.
#[derive(Serialize, ToSchema)]
pub(super) struct RoleResponse {
    id: Uuid,
    #[schema(example = "auditor")]
    name: String,
    /// Whether it came with the tenant. Such a role stays as it is.
    is_system: bool,
    /// How many have it.
    #[schema(example = 3)]
    members: i64,
}

/// The roles.
#[derive(Serialize, ToSchema)]
pub(super) struct RoleListResponse {
    /// The system's first, then by name.
    roles: Vec<RoleResponse>,
}

/// The routes of this file.
pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/roles", "List the tenant's roles", list);
    routes
        .post("/v1/roles", "Create a role that may do what every member may", create)
        .problems(&[(409, "The name is taken"), (409, "The tenant has as many roles as it may have")]);
    routes
        .patch("/v1/roles/{id}", "Rename a role of the tenant's own", rename)
        .problems(&[(409, "The name is taken"), (409, "The role came with the tenant")]);
    routes
        .delete("/v1/roles/{id}", "Delete a role that nobody has, and its policies with it", delete)
        .problems(&[(409, "Somebody has the role, or is invited into it"), (409, "The role came with the tenant")]);
}

async fn list(access: Access<RoleRead>, roles: Inject<dyn Roles>) -> Result<Json<RoleListResponse>, Problem> {
    let roles = roles.list(&access).await?;
    Ok(Json(RoleListResponse { roles: roles.into_iter().map(Into::into).collect() }))
}

async fn create(
    Authorized(access, Body(request)): Authorized<Access<RoleManage>, Body<RoleRequest>>,
    roles: Inject<dyn Roles>,
) -> Result<Created<RoleResponse>, Problem> {
    let name = validate("/name", &request.name)?;
    Ok(Created { location: "/v1/roles", body: roles.create(&access, &name).await?.into() })
}

async fn rename(
    Authorized(Authorized(access, PathId(id)), Body(request)): Authorized<Authorized<Access<RoleManage>, PathId<RoleId>>, Body<RoleRequest>>,
    roles: Inject<dyn Roles>,
) -> Result<Json<RoleResponse>, Problem> {
    let name = validate("/name", &request.name)?;
    Ok(Json(roles.rename(&access, id, &name).await?.into()))
}

async fn delete(
    Authorized(access, PathId(id)): Authorized<Access<RoleManage>, PathId<RoleId>>,
    roles: Inject<dyn Roles>,
) -> Result<NoContent, Problem> {
    roles.delete(&access, id).await?;
    Ok(NoContent)
}

impl From<Role> for RoleResponse {
    fn from(Role { id, name, is_system, members }: Role) -> Self {
        Self { id: id.as_uuid(), name, is_system, members }
    }
}
