//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `Subscriptions` | `Database` | `subscriptions`, `billing_accounts`, `billing_events` |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the table above is the documentation")]

use kernel::{
    contracts::{BillingModule, DbModule},
    db::Database,
};
use shaku::module;

use crate::{postgres::PgSubscriptionRepository, subscriptions::SubscriptionService};

module! {
    pub BillingModuleImpl: BillingModule {
        components = [PgSubscriptionRepository, SubscriptionService],
        providers = [],
        use dyn DbModule { components = [dyn Database], providers = [] }
    }
}
