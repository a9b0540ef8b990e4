//! Demo subscriptions.

use kernel::{
    contracts::{Subscription, SubscriptionId, SubscriptionStatus, TenantId},
    db::{DbError, SystemTx},
};
use time::macros::datetime;
use uuid::uuid;

use crate::postgres::{PgSubscriptionRepository, SubscriptionRepository};

/// Acme's subscription.
pub const ACME: SubscriptionId = SubscriptionId::from_uuid(uuid!("019a0000-0000-7000-8000-00000005acee"));
/// Globex's subscription.
pub const GLOBEX: SubscriptionId = SubscriptionId::from_uuid(uuid!("019a0000-0000-7000-8000-000000561b37"));

/// A demo subscription.
#[derive(Debug, Clone)]
pub struct SeededSubscription {
    /// The fixed id.
    pub id: SubscriptionId,
    /// Whether this run created it.
    pub created: bool,
}

/// The demo subscriptions.
#[derive(Debug, Clone)]
pub struct BillingSeed {
    /// Acme's.
    pub acme: SeededSubscription,
    /// Globex's.
    pub globex: SeededSubscription,
}

/// Creates an active subscription for each demo tenant that doesn't have its demo subscription.
pub async fn seed(tx: &mut SystemTx, acme: TenantId, globex: TenantId) -> Result<BillingSeed, DbError> {
    Ok(BillingSeed {
        acme: seed_subscription(tx, acme, ACME, "enterprise").await?,
        globex: seed_subscription(tx, globex, GLOBEX, "pro").await?,
    })
}

async fn seed_subscription(
    tx: &mut SystemTx,
    tenant: TenantId,
    id: SubscriptionId,
    plan: &str,
) -> Result<SeededSubscription, DbError> {
    let new = Subscription {
        id,
        provider: "demo".into(),
        status: SubscriptionStatus::Active,
        plan: plan.into(),
        // Fixed, so that responses don't depend on the date of seeding.
        current_period_end: datetime!(2099-12-31 0:00 UTC),
    };
    let created = PgSubscriptionRepository.create(tx, tenant, &new).await?;
    Ok(SeededSubscription { id, created })
}
