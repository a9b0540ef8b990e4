//! The service for a tenant's subscription.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{
    contracts::{BillingError, BillingRead, Permit, Subscription, Subscriptions},
    db::Database,
};
use shaku::Component;

use crate::postgres::SubscriptionRepository;

/// Implements `GET /v1/subscription`.
#[derive(Component)]
#[shaku(interface = Subscriptions)]
pub(crate) struct SubscriptionService {
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(inject)]
    subscriptions: Arc<dyn SubscriptionRepository>,
}

#[async_trait]
impl Subscriptions for SubscriptionService {
    async fn current(&self, permit: &Permit<BillingRead>) -> Result<Subscription, BillingError> {
        let mut tx = self.database.begin(permit.scope()).await?;
        self.subscriptions.current(&mut tx).await?.ok_or(BillingError::NotFound)
    }
}
