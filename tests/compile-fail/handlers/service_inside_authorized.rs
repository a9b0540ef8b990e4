//! A service inside `Authorized`, which only accepts request input.

use kernel::contracts::{Members, UserRead};

use crate::http::{
    extract::Inject,
    access::{Access, Authorized},
    problem::Problem,
    route::{NoContent, Routes},
};

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/invoices", "List the invoices", list);
}

async fn list(_input: Authorized<Access<UserRead>, Inject<dyn Members>>) -> Result<NoContent, Problem> {
    Ok(NoContent)
}
