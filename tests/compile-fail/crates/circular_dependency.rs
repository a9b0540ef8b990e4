//! Two components depend on each other.

use std::sync::Arc;

use shaku::{Component, Interface, module};

trait Invoices: Interface {}

trait Reminders: Interface {}

#[derive(Component)]
#[shaku(interface = Invoices)]
struct PgInvoices {
    #[shaku(inject)]
    reminders: Arc<dyn Reminders>,
}

impl Invoices for PgInvoices {}

#[derive(Component)]
#[shaku(interface = Reminders)]
struct MailedReminders {
    #[shaku(inject)]
    invoices: Arc<dyn Invoices>,
}

impl Reminders for MailedReminders {}

module! {
    InvoiceModule {
        components = [PgInvoices, MailedReminders],
        providers = []
    }
}

fn main() {}
