//! A module takes from another what that one doesn't offer.

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
