//! A module imports a component that the other module doesn't provide.

use authorization::AuthorizationModule;
use shaku::{Interface, module};

trait Invoices: Interface {}

module! {
    ReminderModule {
        components = [],
        providers = [],
        use AuthorizationModule { components = [dyn Invoices], providers = [] }
    }
}

fn main() {}
