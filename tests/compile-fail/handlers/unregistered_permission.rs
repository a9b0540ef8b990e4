//! The permission isn't registered, so roles can't have it and the OpenAPI document lacks it.

use crate::http::{access::Access, problem::Problem, route::{NoContent, Routes}};

kernel::permission! {
    /// Read the invoices.
    pub(super) InvoiceRead = "invoice", "read";
}

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/invoices", "List the invoices", list);
}

async fn list(_access: Access<InvoiceRead>) -> Result<NoContent, Problem> {
    Ok(NoContent)
}
