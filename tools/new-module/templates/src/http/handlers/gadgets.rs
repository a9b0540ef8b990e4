//! The gadgets of a tenant.

use kernel::contracts::{Gadget, GadgetId, GadgetManage, GadgetRead, Gadgets};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::page::PageQuery;
use crate::http::{
    extract::{Body, PathId, Query, Scoped},
    fields::field,
    guard::{Access, Then},
    problem::Problem,
    route::{Created, Json, NoContent, Routes},
};

/// What it is to be called.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GadgetRequest {
    /// On one line.
    #[schema(example = "Acme's gadget", min_length = 1, max_length = 200)]
    name: String,
}

/// One of the tenant's gadgets.
#[derive(Serialize, ToSchema)]
#[schema(as = Gadget)]
pub(super) struct GadgetBody {
    id: Uuid,
    #[schema(example = "Acme's gadget")]
    name: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

/// A page of them.
#[derive(Serialize, ToSchema)]
pub(super) struct GadgetPage {
    /// By id: in the order in which they were made.
    gadgets: Vec<GadgetBody>,
    /// For the query parameter `cursor`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Uuid>,
}

/// The routes of this file.
pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/gadgets", "List the tenant's gadgets", list);
    routes.get("/v1/gadgets/{id}", "Read one of the tenant's gadgets", show);
    routes.post("/v1/gadgets", "Create one of the tenant's gadgets", create);
    routes.patch("/v1/gadgets/{id}", "Rename one of the tenant's gadgets", rename);
    routes.delete("/v1/gadgets/{id}", "Delete one of the tenant's gadgets", delete);
}

async fn list(
    Then(access, Query(page)): Then<Access<GadgetRead>, Query<PageQuery>>,
    gadgets: Scoped<dyn Gadgets>,
) -> Result<Json<GadgetPage>, Problem> {
    let found = gadgets.list(&access, page.cursor()?.map(GadgetId::from_uuid), page.one_more()).await?;
    let (gadgets, next_cursor) = page.cut(found, |gadget| gadget.id.as_uuid());
    Ok(Json(GadgetPage { gadgets, next_cursor }))
}

async fn show(
    Then(access, PathId(id)): Then<Access<GadgetRead>, PathId<GadgetId>>,
    gadgets: Scoped<dyn Gadgets>,
) -> Result<Json<GadgetBody>, Problem> {
    Ok(Json(gadgets.get(&access, id).await?.into()))
}

async fn create(
    Then(access, Body(request)): Then<Access<GadgetManage>, Body<GadgetRequest>>,
    gadgets: Scoped<dyn Gadgets>,
) -> Result<Created<GadgetBody>, Problem> {
    let name = field("/name", &request.name)?;
    Ok(Created { location: "/v1/gadgets", body: gadgets.create(&access, &name).await?.into() })
}

async fn rename(
    Then(Then(access, PathId(id)), Body(request)): Then<
        Then<Access<GadgetManage>, PathId<GadgetId>>,
        Body<GadgetRequest>,
    >,
    gadgets: Scoped<dyn Gadgets>,
) -> Result<Json<GadgetBody>, Problem> {
    let name = field("/name", &request.name)?;
    Ok(Json(gadgets.rename(&access, id, &name).await?.into()))
}

async fn delete(
    Then(access, PathId(id)): Then<Access<GadgetManage>, PathId<GadgetId>>,
    gadgets: Scoped<dyn Gadgets>,
) -> Result<NoContent, Problem> {
    gadgets.delete(&access, id).await?;
    Ok(NoContent)
}

impl From<Gadget> for GadgetBody {
    fn from(Gadget { id, name, created_at, updated_at }: Gadget) -> Self {
        Self { id: id.as_uuid(), name: name.to_string(), created_at, updated_at }
    }
}
