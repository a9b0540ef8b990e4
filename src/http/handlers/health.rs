//! Health probes.

use db::Readiness;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{
    access::Public,
    extract::Inject,
    problem::{Problem, types::UNAVAILABLE},
    route::{Json, Routes},
};

/// The result of a probe.
#[derive(Serialize, ToSchema)]
pub(super) struct HealthResponse {
    #[schema(example = "ready")]
    status: &'static str,
}

pub(super) fn register(routes: &mut Routes) {
    routes.get("/health/live", "Liveness probe", live);
    routes
        .get("/health/ready", "Readiness probe: the database is reachable and its schema is current", ready)
        .problems(&[UNAVAILABLE]);
}

async fn live(_: Public) -> Result<Json<HealthResponse>, Problem> {
    Ok(Json(HealthResponse { status: "live" }))
}

async fn ready(_: Public, database: Inject<dyn Readiness>) -> Result<Json<HealthResponse>, Problem> {
    database.ready().await?;
    Ok(Json(HealthResponse { status: "ready" }))
}
