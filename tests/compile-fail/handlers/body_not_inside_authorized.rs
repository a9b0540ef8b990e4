//! The body would be read before the access check has finished.

use authorization_api::RoleManage;

use crate::http::{access::Access, extract::Body, problem::Problem, route::{NoContent, Routes}};

pub(super) fn register(routes: &mut Routes) {
    routes.post("/v1/invoices", "Write an invoice", create);
}

async fn create(_access: Access<RoleManage>, Body(_text): Body<String>) -> Result<NoContent, Problem> {
    Ok(NoContent)
}
