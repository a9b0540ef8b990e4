//! A module imports a component that the other module doesn't export.

use kernel::contracts::AuthorizationModule;
use shaku::{Interface, module};

trait Invoices: Interface {}

module! {
    ReminderModule {
        components = [],
        providers = [],
        use dyn AuthorizationModule { components = [dyn Invoices], providers = [] }
    }
}

fn main() {}
