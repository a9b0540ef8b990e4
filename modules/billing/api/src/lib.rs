//! What other modules may use of the module `billing`: subscriptions.

use async_trait::async_trait;
use db::DbError;
use kernel::{Permit, id};
use serde::Serialize;
use shaku::Interface;
use time::OffsetDateTime;
use utoipa::ToSchema;

id! {
    /// A tenant's subscription.
    SubscriptionId
}

kernel::permission! {
    /// Read the tenant's subscription.
    pub BillingRead = "billing", "read";
}

/// State of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "subscription_status", rename_all = "snake_case")]
pub enum SubscriptionStatus {
    /// Trial period, no payment due yet.
    Trialing,
    /// Paid.
    Active,
    /// The last payment failed.
    PastDue,
    /// Ended.
    Canceled,
}

/// A tenant's subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SubscriptionResponse)]
pub struct Subscription {
    /// Immutable id.
    #[schema(value_type = Uuid)]
    pub id: SubscriptionId,
    /// Payment provider.
    pub provider: String,
    /// State of the subscription.
    pub status: SubscriptionStatus,
    /// Subscribed plan.
    #[schema(example = "enterprise")]
    pub plan: String,
    /// End of the paid period.
    #[serde(with = "time::serde::rfc3339")]
    pub current_period_end: OffsetDateTime,
}

/// Reasons why there is no subscription to return.
#[derive(Debug, thiserror::Error)]
pub enum BillingError {
    /// The tenant has no subscription.
    #[error("no subscription")]
    NotFound,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Reads a tenant's subscription.
#[async_trait]
pub trait Subscriptions: Interface {
    /// Returns the subscription in effect: the one with the latest period end among those not canceled. If all are
    /// canceled, the one with the latest period end.
    async fn current(&self, permit: &Permit<BillingRead>) -> Result<Subscription, BillingError>;
}
