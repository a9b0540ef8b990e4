//! The tenant's subscription.

use billing_api::{BillingError, BillingRead, Subscription, SubscriptionStatus, Subscriptions};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::{
    access::Access,
    extract::Inject,
    problem::{Problem, types::NOT_FOUND},
    route::{Json, Routes},
};

/// The tenant's subscription.
#[derive(Serialize, ToSchema)]
pub(super) struct SubscriptionResponse {
    id: Uuid,
    /// The payment provider.
    provider: String,
    #[serde(with = "SubscriptionStatusDto")]
    #[schema(value_type = SubscriptionStatusDto)]
    status: SubscriptionStatus,
    #[schema(example = "enterprise")]
    plan: String,
    /// End of the paid period.
    #[serde(with = "time::serde::rfc3339")]
    current_period_end: OffsetDateTime,
}

/// The status of a subscription.
#[derive(Serialize, ToSchema)]
#[schema(as = SubscriptionStatus)]
#[serde(remote = "SubscriptionStatus", rename_all = "snake_case")]
enum SubscriptionStatusDto {
    Trialing,
    Active,
    PastDue,
    Canceled,
}

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/subscription", "Read the tenant's subscription", show).problems(&[NOT_FOUND]);
}

async fn show(
    access: Access<BillingRead>,
    subscriptions: Inject<dyn Subscriptions>,
) -> Result<Json<SubscriptionResponse>, Problem> {
    Ok(Json(subscriptions.current(&access).await?.into()))
}

impl From<Subscription> for SubscriptionResponse {
    fn from(Subscription { id, provider, status, plan, current_period_end }: Subscription) -> Self {
        Self { id: id.as_uuid(), provider, status, plan, current_period_end }
    }
}

impl From<BillingError> for Problem {
    fn from(error: BillingError) -> Self {
        match error {
            BillingError::NotFound => Self::not_found(),
            BillingError::Db(error) => error.into(),
        }
    }
}
