//! The handler returns a `String`, not a `Result` whose error type is `Problem`.

use authorization_api::UserRead;

use crate::http::{access::Access, route::Routes};

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/invoices", "List the invoices", list);
}

async fn list(_access: Access<UserRead>) -> String {
    "none".into()
}
