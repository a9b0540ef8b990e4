//! The tenant's roles.

use kernel::contracts::{Role, RoleId, RoleManage, RoleRead, Roles};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::{
    access::{Access, Authorized},
    extract::{Body, Inject, PathId},
    problem::Problem,
    route::{CreatedWithoutUrl, Json, NoContent, Routes},
    validation::validate,
};

/// The name of a new role, or the new name of a role.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleRequest {
    /// One line; unique in the tenant, ignoring case.
    #[schema(example = "auditor", min_length = 1, max_length = 100)]
    name: String,
}

/// A role.
#[derive(Serialize, ToSchema)]
pub(super) struct RoleResponse {
    id: Uuid,
    #[schema(example = "auditor")]
    name: String,
    /// Whether it is a system role, which can't be changed or deleted.
    is_system: bool,
    /// Number of members with this role.
    #[schema(example = 3)]
    members: i64,
}

/// All roles of the tenant.
#[derive(Serialize, ToSchema)]
pub(super) struct RoleListResponse {
    /// System roles first, then ordered by name.
    roles: Vec<RoleResponse>,
}

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/roles", "List the tenant's roles", list);
    routes
        .post("/v1/roles", "Create a custom role with the permissions that every member has", create)
        .problems(&[(409, "The name is already in use"), (409, "The tenant has the maximum number of roles")]);
    routes
        .patch("/v1/roles/{id}", "Rename a custom role", rename)
        .problems(&[(409, "The name is already in use"), (409, "The role is a system role")]);
    routes
        .delete("/v1/roles/{id}", "Delete an unused custom role and its policies", delete)
        .problems(&[(409, "Members or open invitations have the role"), (409, "The role is a system role")]);
}

async fn list(access: Access<RoleRead>, roles: Inject<dyn Roles>) -> Result<Json<RoleListResponse>, Problem> {
    let roles = roles.list(&access).await?;
    Ok(Json(RoleListResponse { roles: roles.into_iter().map(Into::into).collect() }))
}

async fn create(
    Authorized(access, Body(request)): Authorized<Access<RoleManage>, Body<RoleRequest>>,
    roles: Inject<dyn Roles>,
) -> Result<CreatedWithoutUrl<RoleResponse>, Problem> {
    let name = validate("/name", &request.name)?;
    Ok(CreatedWithoutUrl(roles.create(&access, &name).await?.into()))
}

async fn rename(
    Authorized(Authorized(access, PathId(id)), Body(request)): Authorized<
        Authorized<Access<RoleManage>, PathId<RoleId>>,
        Body<RoleRequest>,
    >,
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
