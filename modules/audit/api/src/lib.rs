//! What other modules may use of the module `audit`: the audit log.
//!
//! A module declares its events with [`kernel::audit_events!`] and passes them to the commit of a transaction. This crate
//! is for reading them, and for events without a transaction.

use async_trait::async_trait;
use db::DbError;
use kernel::{AuditEvents, AuditValue, Caller, Permit, TenantId, UserId, audit_events, id, parsed_text};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shaku::Interface;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

id! {
    /// A record of the audit log.
    AuditRecordId
}

kernel::permission! {
    /// Read the tenant's audit log.
    pub AuditRead = "audit", "read";
}

audit_events! {
    /// A member wasn't permitted to do something.
    pub struct AccessDenied: "access.denied", version 1, result Denied {
        tenant: TenantId,
        operation: Operation,
        problem: &'static str,
        permission: Option<PermissionName>,
    }
}

/// A route of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The HTTP method.
    pub method: String,
    /// The path, with placeholders.
    pub path: String,
}

impl AuditValue for Operation {
    fn to_json(&self) -> Value {
        format!("{} {}", self.method, self.path).into()
    }
}

parsed_text! {
    /// A permission, or a pattern of permissions, such as `role:manage` or `*:*`.
    PermissionName, 200 bytes, |text| {
        let is_allowed = |c: char| c.is_ascii_lowercase() || "_-*:".contains(c);
        if text.len() <= PermissionName::MAX_LENGTH && text.chars().all(is_allowed) { Ok(text.to_owned()) } else { Err(InvalidPermissionName) }
    } => InvalidPermissionName
}

/// The text isn't the name of a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidPermissionName;

/// A record of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditEventResponse)]
pub struct AuditRecord {
    /// Immutable id.
    #[schema(value_type = Uuid)]
    pub id: AuditRecordId,
    /// What happened: one of the types in `docs/reference/audit-events.md`.
    #[serde(rename = "type")]
    #[schema(example = "role.renamed")]
    pub event_type: String,
    /// Version of the type. It increases when its fields change.
    pub version: u16,
    /// When the commit of the change began, according to the instance that made it.
    #[serde(with = "time::serde::rfc3339")]
    pub occurred_at: OffsetDateTime,
    /// `succeeded`; `denied` if the caller wasn't permitted; `failed` for other reasons.
    #[schema(example = "succeeded")]
    pub result: String,
    /// Who caused it.
    pub caller: RecordedCaller,
    /// What the event is about.
    pub target: RecordedTarget,
    /// The event's own fields. A field that the change set has the values
    /// `before` and `after`, which may be equal.
    #[schema(value_type = Object, example = json!({"name": {"before": "reader", "after": "auditor"}}))]
    pub fields: Map<String, Value>,
}

/// Who caused an event. Fields that don't apply are absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditCallerResponse)]
pub struct RecordedCaller {
    /// `user`: a request. `operator`: a command of the operator.
    #[serde(rename = "type")]
    #[schema(example = "user")]
    pub kind: String,
    /// Id of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub id: Option<UserId>,
    /// Id of the request, also in the header `X-Request-Id` of its response and in the log of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Uuid>,
    /// Address of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "203.0.113.7")]
    pub address: Option<String>,
    /// The header `User-Agent` of the request, at most 256 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "curl/8.5.0")]
    pub user_agent: Option<String>,
    /// The command.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "tenants create")]
    pub command: Option<String>,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditTargetResponse)]
pub struct RecordedTarget {
    /// The kind of object.
    #[serde(rename = "type")]
    #[schema(example = "role")]
    pub kind: String,
    /// Its id.
    pub id: Uuid,
}

/// Selects records. A field that is `None` doesn't restrict them.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only events of this type.
    pub event_type: Option<String>,
    /// Only events that this user caused.
    pub user: Option<UserId>,
    /// Only events about the object with this id.
    pub target: Option<Uuid>,
    /// Only events that occurred at this time or later.
    pub from: Option<OffsetDateTime>,
    /// Only events that occurred before this time.
    pub until: Option<OffsetDateTime>,
}

/// Reads a tenant's audit log.
#[async_trait]
pub trait AuditLog: Interface {
    /// Returns at most `limit` records, the newest first, that are older than `before`.
    async fn list(
        &self,
        permit: &Permit<AuditRead>,
        filter: &AuditFilter,
        before: Option<AuditRecordId>,
        limit: u16,
    ) -> Result<Vec<AuditRecord>, DbError>;
}

/// Records events without a transaction: denials and failed sign-ins.
///
/// A request only adds the event to a list in memory. The list is written at intervals, so clients that cause many events
/// cost little, and a crash loses the events since the last interval.
#[async_trait]
pub trait AuditRecorder: Interface {
    /// Adds an event, in the tenant's log or in the deployment's. Equal events of one caller are counted.
    fn record(&self, tenant: Option<TenantId>, caller: &Caller, events: AuditEvents);

    /// Writes the list. Keeps it if the database fails or the future is dropped; an event may then be recorded twice.
    async fn flush(&self) -> Result<(), DbError>;
}
