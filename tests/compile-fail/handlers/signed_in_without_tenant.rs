//! A handler reads a tenant's members for any signed-in user, without a tenant.

use kernel::contracts::Members;

use crate::http::{extract::Inject, access::SignedIn, problem::Problem, route::NoContent};

pub(super) async fn list(caller: SignedIn, members: Inject<dyn Members>) -> Result<NoContent, Problem> {
    members.list(&caller, None, 20).await?;
    Ok(NoContent)
}
