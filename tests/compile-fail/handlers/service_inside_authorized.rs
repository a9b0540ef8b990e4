//! A service inside `Authorized`, which only accepts request input.

use authorization_api::{Members, UserRead};

use crate::http::{access::{Access, Authorized}, extract::Inject, problem::Problem, route::{NoContent, Routes}};

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/invoices", "List the invoices", list);
}

async fn list(_input: Authorized<Access<UserRead>, Inject<dyn Members>>) -> Result<NoContent, Problem> {
    Ok(NoContent)
}
