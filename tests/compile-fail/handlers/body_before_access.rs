//! The body would be read without an access check.

use crate::http::{extract::Body, problem::Problem, route::{NoContent, Routes}};

pub(super) fn register(routes: &mut Routes) {
    routes.post("/v1/invoices", "Write an invoice", create);
}

async fn create(Body(_text): Body<String>) -> Result<NoContent, Problem> {
    Ok(NoContent)
}
