//! The interface promises a component, and the module doesn't have one.

use shaku::{HasComponent, Interface, module};

trait Invoices: Interface {}

trait InvoiceModule: HasComponent<dyn Invoices> {}

module! {
    InvoiceModuleImpl: InvoiceModule {
        components = [],
        providers = []
    }
}

fn main() {}
