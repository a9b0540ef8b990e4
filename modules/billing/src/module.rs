//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `Subscriptions` | `Database` | `subscriptions` |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the table above is the documentation")]

use db::{Database, DbModule};
use shaku::module;

use crate::subscriptions::SubscriptionService;

module! {
    pub BillingModule {
        components = [SubscriptionService],
        providers = [],
        use DbModule { components = [dyn Database], providers = [] }
    }
}
