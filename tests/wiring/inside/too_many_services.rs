//! Four services; a use case that needs as many belongs into a module.

use kernel::contracts::{Members, Policies, Roles, Tenants, UserRead};

use crate::http::{
    extract::Scoped,
    guard::Access,
    problem::Problem,
    route::{NoContent, Routes},
};

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/invoices", "List the invoices", list);
}

async fn list(
    _access: Access<UserRead>,
    _members: Scoped<dyn Members>,
    _policies: Scoped<dyn Policies>,
    _roles: Scoped<dyn Roles>,
    _tenants: Scoped<dyn Tenants>,
) -> Result<NoContent, Problem> {
    Ok(NoContent)
}
