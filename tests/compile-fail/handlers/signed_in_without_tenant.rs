//! A handler reads a tenant's members for any signed-in user, without a tenant.

use authorization_api::Members;

use crate::http::{access::SignedIn, extract::Inject, problem::Problem, route::NoContent};

pub(super) async fn list(caller: SignedIn, members: Inject<dyn Members>) -> Result<NoContent, Problem> {
    members.list(&caller, None, 20).await?;
    Ok(NoContent)
}
