//! The tenant's roles.

use authorization_api::{Role, RoleManage, RoleRead, Roles, RolesError};
use kernel::RoleId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::{
    access::{Access, Authorized},
    extract::{Body, Inject, PathId},
    problem::{
        Problem,
        types::{ROLE_IN_USE, ROLE_NAME_TAKEN, SYSTEM_ROLE_IMMUTABLE, TOO_MANY_ROLES},
    },
    route::{CreatedWithoutUrl, Json, NoContent, Routes},
    validation::validate,
};

/// The name of a new role, or the new name of a role.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleRequest {
    /// One line; unique in the tenant, ignoring case and compatibility variants of characters.
    #[schema(example = "auditor", min_length = 1, max_length = 100)]
    name: String,
}

/// All roles of the tenant.
#[derive(Serialize, ToSchema)]
pub(super) struct RoleListResponse {
    /// System roles first, then ordered by name.
    roles: Vec<Role>,
}

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/roles", "List the tenant's roles", list);
    routes
        .post("/v1/roles", "Create a custom role with the permissions that every member has", create)
        .problems(&[ROLE_NAME_TAKEN, TOO_MANY_ROLES]);
    routes.patch("/v1/roles/{id}", "Rename a custom role", rename).problems(&[ROLE_NAME_TAKEN, SYSTEM_ROLE_IMMUTABLE]);
    routes
        .delete("/v1/roles/{id}", "Delete an unused custom role and its policies", delete)
        .problems(&[ROLE_IN_USE, SYSTEM_ROLE_IMMUTABLE]);
}

async fn list(access: Access<RoleRead>, roles: Inject<dyn Roles>) -> Result<Json<RoleListResponse>, Problem> {
    Ok(Json(RoleListResponse { roles: roles.list(&access).await? }))
}

async fn create(
    Authorized(access, Body(request)): Authorized<Access<RoleManage>, Body<RoleRequest>>,
    roles: Inject<dyn Roles>,
) -> Result<CreatedWithoutUrl<Role>, Problem> {
    let name = validate("/name", &request.name)?;
    Ok(CreatedWithoutUrl(roles.create(&access, &name).await?))
}

async fn rename(
    Authorized(access, (PathId(id), Body(request))): Authorized<
        Access<RoleManage>,
        (PathId<RoleId>, Body<RoleRequest>),
    >,
    roles: Inject<dyn Roles>,
) -> Result<Json<Role>, Problem> {
    let name = validate("/name", &request.name)?;
    Ok(Json(roles.rename(&access, id, &name).await?))
}

async fn delete(
    Authorized(access, PathId(id)): Authorized<Access<RoleManage>, PathId<RoleId>>,
    roles: Inject<dyn Roles>,
) -> Result<NoContent, Problem> {
    roles.delete(&access, id).await?;
    Ok(NoContent)
}

impl From<RolesError> for Problem {
    fn from(error: RolesError) -> Self {
        match error {
            RolesError::NotFound => Self::not_found(),
            RolesError::NameTaken => Self::from(ROLE_NAME_TAKEN).with_field_error("/name", "Already in use."),
            RolesError::SystemRoleImmutable => SYSTEM_ROLE_IMMUTABLE.into(),
            RolesError::InUse => ROLE_IN_USE.into(),
            RolesError::LimitReached { limit } => {
                Self::new(TOO_MANY_ROLES, format!("A tenant can have at most {limit} roles. Delete an unused one."))
            }
            RolesError::Change(error) => error.into(),
            RolesError::Db(error) => error.into(),
        }
    }
}
