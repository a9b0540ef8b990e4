//! A handler with four services, one more than allowed.

use authorization_api::{Members, Policies, Roles, Tenants, UserRead};

use crate::http::{access::Access, extract::Inject, problem::Problem, route::{NoContent, Routes}};

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/invoices", "List the invoices", list);
}

async fn list(
    _access: Access<UserRead>,
    _members: Inject<dyn Members>,
    _policies: Inject<dyn Policies>,
    _roles: Inject<dyn Roles>,
    _tenants: Inject<dyn Tenants>,
) -> Result<NoContent, Problem> {
    Ok(NoContent)
}
