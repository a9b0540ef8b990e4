//! The roles of a tenant.

use kernel::contracts::{Role, RoleId, RoleManage, RoleRead, Roles};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::{
    extract::{Body, PathId, Scoped},
    fields::field,
    guard::{Access, Then},
    problem::Problem,
    route::{Created, Json, NoContent},
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
pub(super) struct RoleDetails {
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
pub(super) struct RoleList {
    /// The system's first, then by name.
    roles: Vec<RoleDetails>,
}

pub(super) async fn list(access: Access<RoleRead>, roles: Scoped<dyn Roles>) -> Result<Json<RoleList>, Problem> {
    let roles = roles.list(&access).await?;
    Ok(Json(RoleList { roles: roles.into_iter().map(Into::into).collect() }))
}

pub(super) async fn create(
    Then(access, Body(request)): Then<Access<RoleManage>, Body<RoleRequest>>,
    roles: Scoped<dyn Roles>,
) -> Result<Created<RoleDetails>, Problem> {
    let name = field("/name", &request.name)?;
    Ok(Created { location: "/v1/roles", body: roles.create(&access, &name).await?.into() })
}

pub(super) async fn rename(
    Then(Then(access, PathId(id)), Body(request)): Then<Then<Access<RoleManage>, PathId<RoleId>>, Body<RoleRequest>>,
    roles: Scoped<dyn Roles>,
) -> Result<Json<RoleDetails>, Problem> {
    let name = field("/name", &request.name)?;
    Ok(Json(roles.rename(&access, id, &name).await?.into()))
}

pub(super) async fn delete(
    Then(access, PathId(id)): Then<Access<RoleManage>, PathId<RoleId>>,
    roles: Scoped<dyn Roles>,
) -> Result<NoContent, Problem> {
    roles.delete(&access, id).await?;
    Ok(NoContent)
}

impl From<Role> for RoleDetails {
    fn from(Role { id, name, is_system, members }: Role) -> Self {
        Self { id: id.as_uuid(), name, is_system, members }
    }
}
