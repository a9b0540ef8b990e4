//! A handler reads a tenant's members for any member, without a permission check.

use authorization_api::Members;

use crate::http::{access::Member, extract::Inject, problem::Problem, route::NoContent};

pub(super) async fn list(caller: Member, members: Inject<dyn Members>) -> Result<NoContent, Problem> {
    members.list(&caller, None, 20).await?;
    Ok(NoContent)
}
