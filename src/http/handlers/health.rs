//! For whoever watches over the program.

use kernel::db::Readiness;
use serde::Serialize;
use utoipa::ToSchema;

use super::UNAVAILABLE;
use crate::http::{
    extract::Scoped,
    guard::Public,
    problem::Problem,
    route::{Json, Routes},
};

/// How the program is.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
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

async fn live(_: Public) -> Result<Json<Health>, Problem> {
    Ok(Json(Health { status: "live" }))
}

async fn ready(_: Public, database: Scoped<dyn Readiness>) -> Result<Json<Health>, Problem> {
    database.ready().await?;
    Ok(Json(Health { status: "ready" }))
}
