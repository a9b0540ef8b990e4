//! A handler injects `SystemDatabase`, which isn't limited to one tenant.

use authorization_api::UserRead;
use db::SystemDatabase;

use crate::http::{access::Access, extract::Inject, problem::Problem, route::{NoContent, Routes}};

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/invoices", "List the invoices", list);
}

async fn list(_access: Access<UserRead>, _database: Inject<dyn SystemDatabase>) -> Result<NoContent, Problem> {
    Ok(NoContent)
}
