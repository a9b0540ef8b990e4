//! The module lacks a component of its interface.

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
