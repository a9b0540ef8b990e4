//! Demo subscriptions.

use billing_api::{Subscription, SubscriptionId, SubscriptionStatus};
use db::{DbError, SystemTx};
use kernel::TenantId;
use time::macros::datetime;
use uuid::uuid;

use crate::subscriptions;

/// Acme's subscription.
pub const ACME: SubscriptionId = SubscriptionId::from_uuid(uuid!("019a0000-0000-7000-8000-00000005acee"));
/// Globex's subscription.
pub const GLOBEX: SubscriptionId = SubscriptionId::from_uuid(uuid!("019a0000-0000-7000-8000-000000561b37"));

/// Creates an active subscription for each demo tenant, unless it exists. Returns their descriptions, each with whether
/// this run created the subscription.
pub async fn seed(tx: &mut SystemTx, acme: TenantId, globex: TenantId) -> Result<[(&'static str, bool); 2], DbError> {
    Ok([
        ("Acme's subscription: enterprise", seed_subscription(tx, acme, ACME, "enterprise").await?),
        ("Globex's subscription: pro", seed_subscription(tx, globex, GLOBEX, "pro").await?),
    ])
}

async fn seed_subscription(
    tx: &mut SystemTx,
    tenant: TenantId,
    id: SubscriptionId,
    plan: &str,
) -> Result<bool, DbError> {
    let new = Subscription {
        id,
        provider: "demo".into(),
        status: SubscriptionStatus::Active,
        plan: plan.into(),
        // Fixed, so that responses don't depend on the date of seeding.
        current_period_end: datetime!(2099-12-31 0:00 UTC),
    };
    subscriptions::create(tx, tenant, &new).await
}
