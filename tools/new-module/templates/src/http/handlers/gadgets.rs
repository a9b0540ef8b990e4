//! The gadgets of a tenant.

use gadgets_api::{Gadget, GadgetId, GadgetManage, GadgetName, GadgetRead, Gadgets, GadgetsError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::pagination::PageQuery;
use crate::http::{
    access::{Access, Authorized},
    extract::{Body, Inject, PathId, Query},
    problem::Problem,
    route::{Created, Json, NoContent, Routes},
    validation::{Validated, validate},
};

/// The name of a new gadget, or the new name of a gadget.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GadgetRequest {
    /// A single line.
    #[schema(example = "Acme's gadget", min_length = 1, max_length = 200)]
    name: String,
}

/// A page of gadgets.
#[derive(Serialize, ToSchema)]
pub(super) struct GadgetListResponse {
    /// In the order of creation.
    gadgets: Vec<Gadget>,
    /// The value of the query parameter `cursor` for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Uuid>,
}

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/gadgets", "List the tenant's gadgets", list);
    routes.get("/v1/gadgets/{id}", "Read a gadget", show);
    routes.post("/v1/gadgets", "Create a gadget", create);
    routes.patch("/v1/gadgets/{id}", "Rename a gadget", rename);
    routes.delete("/v1/gadgets/{id}", "Delete a gadget", delete);
}

async fn list(
    Authorized(access, Query(page)): Authorized<Access<GadgetRead>, Query<PageQuery>>,
    gadgets: Inject<dyn Gadgets>,
) -> Result<Json<GadgetListResponse>, Problem> {
    let rows = gadgets.list(&access, page.cursor()?.map(GadgetId::from_uuid), page.fetch_limit()).await?;
    let (gadgets, next_cursor) = page.into_page(rows, |gadget| gadget.id.as_uuid());
    Ok(Json(GadgetListResponse { gadgets, next_cursor }))
}

async fn show(
    Authorized(access, PathId(id)): Authorized<Access<GadgetRead>, PathId<GadgetId>>,
    gadgets: Inject<dyn Gadgets>,
) -> Result<Json<Gadget>, Problem> {
    Ok(Json(gadgets.get(&access, id).await?))
}

async fn create(
    Authorized(access, Body(request)): Authorized<Access<GadgetManage>, Body<GadgetRequest>>,
    gadgets: Inject<dyn Gadgets>,
) -> Result<Created<Gadget>, Problem> {
    let name = validate("/name", &request.name)?;
    let gadget = gadgets.create(&access, &name).await?;
    Ok(Created { location: format!("/v1/gadgets/{}", gadget.id), body: gadget })
}

async fn rename(
    Authorized(access, (PathId(id), Body(request))): Authorized<
        Access<GadgetManage>,
        (PathId<GadgetId>, Body<GadgetRequest>),
    >,
    gadgets: Inject<dyn Gadgets>,
) -> Result<Json<Gadget>, Problem> {
    let name = validate("/name", &request.name)?;
    Ok(Json(gadgets.rename(&access, id, &name).await?))
}

async fn delete(
    Authorized(access, PathId(id)): Authorized<Access<GadgetManage>, PathId<GadgetId>>,
    gadgets: Inject<dyn Gadgets>,
) -> Result<NoContent, Problem> {
    gadgets.delete(&access, id).await?;
    Ok(NoContent)
}

impl Validated for GadgetName {
    const EXPECTED: &'static str = "A name is one line of 1 to 200 characters.";
}

impl From<GadgetsError> for Problem {
    fn from(error: GadgetsError) -> Self {
        match error {
            GadgetsError::NotFound => Self::not_found(),
            GadgetsError::Db(error) => error.into(),
        }
    }
}
