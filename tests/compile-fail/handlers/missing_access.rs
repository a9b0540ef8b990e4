//! The handler has no access check.

use user_api::Profiles;

use crate::http::{extract::Inject, problem::Problem, route::{NoContent, Routes}};

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/invoices", "List the invoices", list);
}

async fn list(_profiles: Inject<dyn Profiles>) -> Result<NoContent, Problem> {
    Ok(NoContent)
}
