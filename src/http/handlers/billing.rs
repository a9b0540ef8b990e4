//! The tenant's subscription.

use billing_api::{BillingError, BillingRead, Subscription, Subscriptions};

use crate::http::{
    access::Access,
    extract::Inject,
    problem::{Problem, types::NOT_FOUND},
    route::{Json, Routes},
};

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/subscription", "Read the tenant's subscription", show).problems(&[NOT_FOUND]);
}

async fn show(
    access: Access<BillingRead>,
    subscriptions: Inject<dyn Subscriptions>,
) -> Result<Json<Subscription>, Problem> {
    Ok(Json(subscriptions.current(&access).await?))
}

impl From<BillingError> for Problem {
    fn from(error: BillingError) -> Self {
        match error {
            BillingError::NotFound => Self::not_found(),
            BillingError::Db(error) => error.into(),
        }
    }
}
