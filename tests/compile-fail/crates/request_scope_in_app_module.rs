//! An application-scoped component depends on a request-scoped one.

use std::sync::Arc;

use db::{Database, DbModule};
use kernel::TenantResolver;
use shaku::{Component, Interface, module};

trait Invoices: Interface {}

#[derive(Component)]
#[shaku(interface = Invoices)]
struct PgInvoices {
    #[shaku(inject)]
    caller: Arc<dyn TenantResolver>,
}

impl Invoices for PgInvoices {}

module! {
    InvoiceModule {
        components = [PgInvoices],
        providers = [],
        use DbModule { components = [dyn Database], providers = [] }
    }
}

fn main() {}
