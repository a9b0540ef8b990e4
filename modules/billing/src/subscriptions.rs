//! The tenant's subscription.

use std::sync::Arc;

use async_trait::async_trait;
use billing_api::{BillingError, BillingRead, Subscription, SubscriptionStatus, Subscriptions};
use db::{Database, DbError, SystemTx, TenantTx};
use kernel::{Permit, TenantId};
use shaku::Component;

/// Reads subscriptions from the table `subscriptions`.
#[derive(Component)]
#[shaku(interface = Subscriptions)]
pub(crate) struct SubscriptionService {
    #[shaku(inject)]
    database: Arc<dyn Database>,
}

#[async_trait]
impl Subscriptions for SubscriptionService {
    async fn current(&self, permit: &Permit<BillingRead>) -> Result<Subscription, BillingError> {
        let mut tx = self.database.begin(permit.scope()).await?;
        current(&mut tx).await?.ok_or(BillingError::NotFound)
    }
}

/// Returns the subscription in effect: the one with the latest period end among those not canceled. If all are
/// canceled, the one with the latest period end.
async fn current(tx: &mut TenantTx) -> Result<Option<Subscription>, DbError> {
    let tenant = tx.tenant().as_uuid();
    let subscription = sqlx::query_as!(
        Subscription,
        "SELECT id, provider, status, plan, current_period_end
         FROM subscriptions
         WHERE tenant_id = $1
         ORDER BY status = 'canceled', current_period_end DESC, id
         LIMIT 1",
        tenant,
    );
    Ok(subscription.fetch_optional(tx.conn()).await?)
}

/// Creates a subscription. Returns `false` and changes nothing if there is one with this id.
pub(crate) async fn create(tx: &mut SystemTx, tenant: TenantId, new: &Subscription) -> Result<bool, DbError> {
    let created = sqlx::query!(
        "INSERT INTO subscriptions (tenant_id, id, provider, status, plan, current_period_end)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (tenant_id, id) DO NOTHING",
        tenant.as_uuid(),
        new.id.as_uuid(),
        new.provider,
        new.status as SubscriptionStatus,
        new.plan,
        new.current_period_end,
    );
    Ok(created.execute(tx.conn()).await?.rows_affected() == 1)
}
