//! The permission to read roles doesn't permit deleting one.

use kernel::contracts::{RoleId, RoleRead, Roles};

use crate::http::{
    extract::{PathId, Inject},
    access::{Access, Authorized},
    problem::Problem,
    route::NoContent,
};

pub(super) async fn delete(
    Authorized(access, PathId(id)): Authorized<Access<RoleRead>, PathId<RoleId>>,
    roles: Inject<dyn Roles>,
) -> Result<NoContent, Problem> {
    roles.delete(&access, id).await?;
    Ok(NoContent)
}
