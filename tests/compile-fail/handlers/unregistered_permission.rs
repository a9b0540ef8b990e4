//! No role could ever be given the permission, and no document would name it.

use crate::http::{
    access::Access,
    problem::Problem,
    route::{NoContent, Routes},
};

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
