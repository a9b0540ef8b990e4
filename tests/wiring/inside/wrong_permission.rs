//! Whoever may read the roles deletes one.

use kernel::contracts::{RoleId, RoleRead, Roles};

use crate::http::{
    extract::{PathId, Scoped},
    guard::{Access, Then},
    problem::Problem,
    route::NoContent,
};

pub(super) async fn delete(
    Then(access, PathId(id)): Then<Access<RoleRead>, PathId<RoleId>>,
    roles: Scoped<dyn Roles>,
) -> Result<NoContent, Problem> {
    roles.delete(&access, id).await?;
    Ok(NoContent)
}
