//! The access check isn't the first parameter.

use authorization_api::{Members, UserRead};

use crate::http::{access::Access, extract::Inject, problem::Problem, route::{NoContent, Routes}};

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/invoices", "List the invoices", list);
}

async fn list(_members: Inject<dyn Members>, _access: Access<UserRead>) -> Result<NoContent, Problem> {
    Ok(NoContent)
}
