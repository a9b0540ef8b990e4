//! `AccessTo` with an id whose resource has no attributes for conditions.

use authorization_api::RoleManage;
use kernel::RoleId;

use crate::http::{access::AccessTo, problem::Problem, route::{NoContent, Routes}};

pub(super) fn register(routes: &mut Routes) {
    routes.delete("/v1/invoices/{id}", "Delete an invoice", delete);
}

async fn delete(_access: AccessTo<RoleManage, RoleId>) -> Result<NoContent, Problem> {
    Ok(NoContent)
}
