//! The tenant's subscription.

use kernel::contracts::{BillingRead, Subscription, SubscriptionStatus, Subscriptions};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::{
    access::Access,
    extract::Inject,
    problem::Problem,
    route::{Json, Routes},
};

/// The tenant's subscription.
#[derive(Serialize, ToSchema)]
pub(super) struct SubscriptionResponse {
    id: Uuid,
    /// The payment provider.
    provider: String,
    status: SubscriptionStatusDto,
    #[schema(example = "enterprise")]
    plan: String,
    /// End of the paid period.
    #[serde(with = "time::serde::rfc3339")]
    current_period_end: OffsetDateTime,
}

/// The status of a subscription.
#[derive(Serialize, ToSchema)]
#[schema(as = SubscriptionStatus)]
#[serde(rename_all = "snake_case")]
enum SubscriptionStatusDto {
    Trialing,
    Active,
    PastDue,
    Canceled,
}

pub(super) fn register(routes: &mut Routes) {
    routes
        .get("/v1/subscription", "Read the tenant's subscription", show)
        .problems(&[(404, "The tenant has no subscription")]);
}

async fn show(
    access: Access<BillingRead>,
    subscriptions: Inject<dyn Subscriptions>,
) -> Result<Json<SubscriptionResponse>, Problem> {
    Ok(Json(subscriptions.current(&access).await?.into()))
}

impl From<Subscription> for SubscriptionResponse {
    fn from(Subscription { id, provider, status, plan, current_period_end }: Subscription) -> Self {
        Self { id: id.as_uuid(), provider, status: status.into(), plan, current_period_end }
    }
}

impl From<SubscriptionStatus> for SubscriptionStatusDto {
    fn from(status: SubscriptionStatus) -> Self {
        match status {
            SubscriptionStatus::Trialing => Self::Trialing,
            SubscriptionStatus::Active => Self::Active,
            SubscriptionStatus::PastDue => Self::PastDue,
            SubscriptionStatus::Canceled => Self::Canceled,
        }
    }
}
