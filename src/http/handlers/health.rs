//! For whoever watches over the program.

use kernel::db::Readiness;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{extract::Scoped, guard::Public, problem::Problem, route::Json};

/// How the program is.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    #[schema(example = "ready")]
    status: &'static str,
}

pub(super) async fn live(_: Public) -> Result<Json<Health>, Problem> {
    Ok(Json(Health { status: "live" }))
}

pub(super) async fn ready(_: Public, database: Scoped<dyn Readiness>) -> Result<Json<Health>, Problem> {
    database.ready().await?;
    Ok(Json(Health { status: "ready" }))
}
