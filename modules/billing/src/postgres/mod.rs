//! The table `subscriptions`.

use async_trait::async_trait;
use kernel::{
    contracts::{Subscription, SubscriptionStatus, TenantId},
    db::{DbError, SystemTx, TenantTx},
};
use shaku::{Component, Interface};

/// Subscriptions.
#[async_trait]
pub(crate) trait SubscriptionRepository: Interface {
    /// Returns the subscription in effect: the one with the latest period end among those not canceled. If all are
    /// canceled, the one with the latest period end.
    async fn current(&self, tx: &mut TenantTx) -> Result<Option<Subscription>, DbError>;

    /// Creates a subscription. Returns `false` and changes nothing if there is one with this id.
    async fn create(&self, tx: &mut SystemTx, tenant: TenantId, new: &Subscription) -> Result<bool, DbError>;
}

/// [`SubscriptionRepository`] in SQL.
#[derive(Component)]
#[shaku(interface = SubscriptionRepository)]
pub(crate) struct PgSubscriptionRepository;

#[async_trait]
impl SubscriptionRepository for PgSubscriptionRepository {
    async fn current(&self, tx: &mut TenantTx) -> Result<Option<Subscription>, DbError> {
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
        Ok(subscription.fetch_optional(&mut ***tx).await?)
    }

    async fn create(&self, tx: &mut SystemTx, tenant: TenantId, new: &Subscription) -> Result<bool, DbError> {
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
        Ok(created.execute(&mut ***tx).await?.rows_affected() == 1)
    }
}
