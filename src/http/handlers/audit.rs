//! The tenant's audit log.

use audit_api::{AuditFilter, AuditLog, AuditRead, AuditRecord, AuditRecordId};
use kernel::UserId;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::pagination::{PageQuery, default_limit, uuid};
use crate::http::{
    access::{Access, Authorized},
    extract::{Inject, Query},
    problem::Problem,
    route::{Json, Routes},
};

/// The query parameters of the audit log. Several filters apply together.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// Only events of this type.
    #[serde(rename = "type", default, deserialize_with = "event_type")]
    #[param(example = "role.renamed", pattern = r"^[a-z_]{1,50}\.[a-z_]{1,50}$")]
    event_type: Option<String>,
    /// Only events that the user with this id caused.
    #[serde(default, deserialize_with = "uuid")]
    #[param(value_type = Option<Uuid>)]
    user: Option<Uuid>,
    /// Only events about the object with this id.
    #[serde(default, deserialize_with = "uuid")]
    #[param(value_type = Option<Uuid>)]
    target: Option<Uuid>,
    /// Only events that occurred at this time or later.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<OffsetDateTime>,
    /// Only events that occurred before this time.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<OffsetDateTime>,
    /// Maximum number of items on the page, 1 to 100.
    #[serde(default = "default_limit")]
    #[param(default = 50, minimum = 1, maximum = 100)]
    limit: u16,
    /// `next_cursor` of the previous page.
    #[serde(default, deserialize_with = "uuid")]
    #[param(value_type = Option<Uuid>)]
    cursor: Option<Uuid>,
}

/// Deserializes the name of a type: an object and what happened to it.
fn event_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let is_word = |word: &str| {
        (1..=50).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    match text.split_once('.') {
        Some((object, verb)) if is_word(object) && is_word(verb) => Ok(Some(text)),
        _ => Err(D::Error::custom("not an event type")),
    }
}

/// A page of the audit log.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditEventListResponse {
    /// The newest first.
    audit_events: Vec<AuditRecord>,
    /// Value of the query parameter `cursor` for the next page. Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Uuid>,
}

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/audit-events", "List the tenant's audit events, the newest first", list);
}

async fn list(
    Authorized(access, Query(query)): Authorized<Access<AuditRead>, Query<AuditQuery>>,
    log: Inject<dyn AuditLog>,
) -> Result<Json<AuditEventListResponse>, Problem> {
    let (filter, page) = query.into_parts();
    let before = page.cursor()?.map(AuditRecordId::from_uuid);
    let rows = log.list(&access, &filter, before, page.fetch_limit()).await?;
    let (audit_events, next_cursor) = page.into_page(rows, |record| record.id.as_uuid());
    Ok(Json(AuditEventListResponse { audit_events, next_cursor }))
}

impl AuditQuery {
    fn into_parts(self) -> (AuditFilter, PageQuery) {
        let Self { event_type, user, target, from, until, limit, cursor } = self;
        let user = user.map(UserId::from_uuid);
        (AuditFilter { event_type, user, target, from, until }, PageQuery { limit, cursor })
    }
}
