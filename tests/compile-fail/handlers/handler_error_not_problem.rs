//! Errors wouldn't be problem details, and the response wouldn't be documented.

use kernel::contracts::UserRead;

use crate::http::{access::Access, route::Routes};

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/invoices", "List the invoices", list);
}

async fn list(_access: Access<UserRead>) -> String {
    "none".into()
}
