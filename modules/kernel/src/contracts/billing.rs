//! What a tenant pays for.

use async_trait::async_trait;
use shaku::{HasComponent, Interface};
use time::OffsetDateTime;

use super::Permit;
use crate::{db::DbError, id::id};

id! {
    /// A tenant's subscription.
    SubscriptionId
}

crate::permission! {
    /// Read the tenant's subscription.
    pub BillingRead = "billing", "read";
}

/// Where a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "subscription_status", rename_all = "snake_case")]
pub enum SubscriptionStatus {
    /// Not paid yet, and not due yet.
    Trialing,
    /// Paid.
    Active,
    /// A payment failed.
    PastDue,
    /// Over.
    Canceled,
}

/// A tenant's subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Stays the same for good.
    pub id: SubscriptionId,
    /// Who collects the money.
    pub provider: String,
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// What is paid for.
    pub plan: String,
    /// Paid until.
    pub current_period_end: OffsetDateTime,
}

/// Why there is no subscription to show.
#[derive(Debug, thiserror::Error)]
pub enum BillingError {
    /// The tenant has none.
    #[error("no subscription")]
    NotFound,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The tenant's subscription.
#[async_trait]
pub trait Subscriptions: Interface {
    /// The one that counts: the latest to end among those that aren't over, else the latest of all.
    async fn current(&self, permit: &Permit<BillingRead>) -> Result<Subscription, BillingError>;
}

/// The module `billing`, as others see it.
pub trait BillingModule: HasComponent<dyn Subscriptions> {}
