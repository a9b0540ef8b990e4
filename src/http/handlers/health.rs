//! For whoever watches over the program.

use kernel::db::Readiness;
use serde::Serialize;
use utoipa::ToSchema;

use super::UNAVAILABLE;
use crate::http::{
    extract::Inject,
    access::Public,
    problem::Problem,
    route::{Json, Routes},
};

/// How the program is.
#[derive(Serialize, ToSchema)]
pub(super) struct HealthResponse {
    #[schema(example = "ready")]
    status: &'static str,
}

/// The routes of this file.
pub(super) fn register(routes: &mut Routes) {
    routes.get("/health/live", "Does the program run", live);
    routes
        .get("/health/ready", "Can it serve: the database answers, its schema is current", ready)
        .problems(&[UNAVAILABLE]);
}

async fn live(_: Public) -> Result<Json<HealthResponse>, Problem> {
    Ok(Json(HealthResponse { status: "live" }))
}

async fn ready(_: Public, database: Inject<dyn Readiness>) -> Result<Json<HealthResponse>, Problem> {
    database.ready().await?;
    Ok(Json(HealthResponse { status: "ready" }))
}
