//! A handler injects `SystemDatabase`, which isn't limited to one tenant.

use kernel::{contracts::UserRead, db::SystemDatabase};

use crate::http::{
    extract::Inject,
    access::Access,
    problem::Problem,
    route::{NoContent, Routes},
};

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/invoices", "List the invoices", list);
}

async fn list(_access: Access<UserRead>, _database: Inject<dyn SystemDatabase>) -> Result<NoContent, Problem> {
    Ok(NoContent)
}
