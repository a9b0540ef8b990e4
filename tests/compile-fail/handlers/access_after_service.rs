//! The access check isn't the first parameter.

use kernel::contracts::{Members, UserRead};

use crate::http::{
    extract::Inject,
    access::Access,
    problem::Problem,
    route::{NoContent, Routes},
};

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/invoices", "List the invoices", list);
}

async fn list(_members: Inject<dyn Members>, _access: Access<UserRead>) -> Result<NoContent, Problem> {
    Ok(NoContent)
}
