//! A service that no module provides.

use authorization_api::UserRead;

use crate::http::{access::Access, extract::Inject, problem::Problem, route::{NoContent, Routes}};

trait Invoices: Send + Sync {}

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/invoices", "List the invoices", list);
}

async fn list(_access: Access<UserRead>, _invoices: Inject<dyn Invoices>) -> Result<NoContent, Problem> {
    Ok(NoContent)
}
