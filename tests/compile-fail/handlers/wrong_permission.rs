//! The permission to read roles doesn't permit deleting one.

use authorization_api::{RoleRead, Roles};
use kernel::RoleId;

use crate::http::{access::{Access, Authorized}, extract::{Inject, PathId}, problem::Problem, route::NoContent};

pub(super) async fn delete(
    Authorized(access, PathId(id)): Authorized<Access<RoleRead>, PathId<RoleId>>,
    roles: Inject<dyn Roles>,
) -> Result<NoContent, Problem> {
    roles.delete(&access, id).await?;
    Ok(NoContent)
}
