//! The tenant's subscription.

use std::sync::Arc;

use async_trait::async_trait;
use billing_api::{BillingError, BillingRead, Subscription, SubscriptionId, SubscriptionStatus, Subscriptions};
use db::{Database, DbError, SystemTx, TenantReader};
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
        let reader = self.database.tenant_reader(permit.scope());
        current(&reader).await?.ok_or(BillingError::NotFound)
    }
}

/// Returns the subscription in effect: the one with the latest period end among those not canceled. If all are
/// canceled, the one with the latest period end.
async fn current(reader: &TenantReader) -> Result<Option<Subscription>, DbError> {
    let scope = reader.scope_argument();
    let query = || {
        sqlx::query_as!(
            Subscription,
            r#"SELECT u.id AS "id!: SubscriptionId", u.provider AS "provider!", u.status AS "status!: SubscriptionStatus",
                 u.plan AS "plan!", u.current_period_end AS "current_period_end!"
               FROM (SELECT admitted_scope($1) AS tenant_id OFFSET 0) AS s,
                 LATERAL (
                   SELECT u.id, u.provider, u.status, u.plan, u.current_period_end
                   FROM subscriptions AS u
                   WHERE u.tenant_id = s.tenant_id
                   ORDER BY u.status = 'canceled', u.current_period_end DESC, u.id
                   LIMIT 1
                 ) AS u"#,
            scope,
        )
    };
    reader.fetch_optional(query).await
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
