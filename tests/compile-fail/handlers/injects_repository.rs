//! A handler injects a repository, which checks no permission.

use authorization_api::UserRead;
use user_api::UserRepository;

use crate::http::{access::Access, extract::Inject, problem::Problem, route::{NoContent, Routes}};

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/invoices", "List the invoices", list);
}

async fn list(_access: Access<UserRead>, _users: Inject<dyn UserRepository>) -> Result<NoContent, Problem> {
    Ok(NoContent)
}
