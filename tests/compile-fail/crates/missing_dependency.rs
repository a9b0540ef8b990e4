//! A component injects the clock, which its module doesn't import.

use std::sync::Arc;

use kernel::Clock;
use shaku::{Component, Interface, module};

trait Invoices: Interface {}

#[derive(Component)]
#[shaku(interface = Invoices)]
struct PgInvoices {
    #[shaku(inject)]
    clock: Arc<dyn Clock>,
}

impl Invoices for PgInvoices {}

module! {
    InvoiceModule {
        components = [PgInvoices],
        providers = []
    }
}

fn main() {}
