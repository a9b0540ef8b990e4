//! Events of the audit log: what a change must record to be committed.

use serde_json::{Map, Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use crate::{Caller, TenantId};

/// Name and version of an audit event type.
#[derive(Debug, PartialEq, Eq)]
pub struct AuditEventInfo {
    /// Object and what happened to it: `role.created`.
    pub name: &'static str,
    /// Increases when the fields change. Records of earlier versions stay in the log.
    pub version: u16,
    /// What happened, as one sentence.
    pub about: &'static str,
    /// The outcome that it reports.
    pub result: AuditResult,
    /// The kind of the target.
    pub target: &'static str,
    /// The names of its fields.
    pub fields: &'static [&'static str],
}

/// The outcome that an event reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditResult {
    /// The operation succeeded.
    Succeeded,
    /// The caller wasn't permitted to do it.
    Denied,
    /// It failed for another reason, such as a wrong password.
    Failed,
}

impl AuditResult {
    /// Returns the name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// An event of the audit log. Modules declare theirs in their api crate with [`crate::audit_events!`].
pub trait AuditEvent {
    /// Name and version.
    const INFO: AuditEventInfo;

    /// Returns the id of the target: the object that the event is about.
    fn target(&self) -> Uuid;

    /// Returns the other fields, by name.
    fn fields(&self) -> Map<String, Value>;
}

/// A value that may be written to the audit log. Secrets aren't, and texts have a maximum length.
#[diagnostic::on_unimplemented(
    message = "`{Self}` may not be written to the audit log",
    label = "not an audit value",
    note = "use a type declared with `id!`, `parsed_text!` or `bounded_text!`; leave secrets out"
)]
pub trait AuditValue {
    /// Returns the value as JSON.
    fn to_json(&self) -> Value;
}

/// A constant of the program.
impl AuditValue for &'static str {
    fn to_json(&self) -> Value {
        Value::from(*self)
    }
}

impl AuditValue for i32 {
    fn to_json(&self) -> Value {
        Value::from(*self)
    }
}

impl<T: AuditValue> AuditValue for Option<T> {
    fn to_json(&self) -> Value {
        self.as_ref().map_or(Value::Null, AuditValue::to_json)
    }
}

/// The value of a field before and after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<T> {
    /// The former value.
    pub before: T,
    /// The new value.
    pub after: T,
}

impl<T: AuditValue> AuditValue for Change<T> {
    fn to_json(&self) -> Value {
        json!({ "before": self.before.to_json(), "after": self.after.to_json() })
    }
}

/// The events of one change: at least one.
#[derive(Debug, Clone)]
pub struct AuditEvents(Vec<EventData>);

#[derive(Debug, Clone)]
struct EventData {
    info: &'static AuditEventInfo,
    target: Uuid,
    fields: Map<String, Value>,
}

impl AuditEvents {
    /// Adds an event.
    #[must_use]
    pub fn and(mut self, event: impl AuditEvent) -> Self {
        self.0.push(EventData::new(&event));
        self
    }

    /// Adds the field `count`: how often the events occurred.
    #[must_use]
    pub fn with_count(mut self, count: u32) -> Self {
        for event in &mut self.0 {
            event.fields.insert("count".to_owned(), count.into());
        }
        self
    }

    /// Returns a text that is equal for equal events.
    pub fn key(&self) -> String {
        self.0.iter().map(|event| format!("{} {} {}\n", event.info.name, event.target, json!(event.fields))).collect()
    }

    /// Returns the records of these events: one line of JSON each, with sorted keys.
    /// `tenant` is `None` for events that belong to no tenant.
    pub fn to_records(&self, tenant: Option<TenantId>, caller: &Caller) -> Vec<String> {
        self.0.iter().map(|event| event.to_record(Uuid::now_v7(), tenant, caller)).collect()
    }
}

impl EventData {
    fn new<E: AuditEvent>(event: &E) -> Self {
        Self { info: const { &E::INFO }, target: event.target(), fields: event.fields() }
    }

    fn to_record(&self, id: Uuid, tenant: Option<TenantId>, caller: &Caller) -> String {
        let mut record = json!({
            "id": id,
            "tenant": tenant,
            "type": self.info.name,
            "version": self.info.version,
            "occurred_at": timestamp_of(id),
            "caller": caller.to_json(),
            "target": { "type": self.info.target, "id": self.target },
            "result": self.info.result.name(),
            "fields": self.fields,
        });
        // Independent of the order in which the features of serde_json keep keys.
        record.sort_all_objects();
        record.to_string()
    }
}

/// Returns the time in a UUIDv7, to the millisecond, as in RFC 3339.
fn timestamp_of(id: Uuid) -> Option<String> {
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    let time = OffsetDateTime::from_unix_timestamp(seconds.try_into().ok()?).ok()?;
    time.replace_nanosecond(nanoseconds).ok()?.format(&Rfc3339).ok()
}

/// What a change records: an event, or several.
#[diagnostic::on_unimplemented(
    message = "a transaction can't be committed with `{Self}`: it needs an audit event",
    label = "not an audit event",
    note = "declare one with `kernel::audit_events!` in the module's api crate"
)]
pub trait IntoAuditEvents {
    /// Returns the events.
    fn into_events(self) -> AuditEvents;
}

impl<E: AuditEvent> IntoAuditEvents for E {
    fn into_events(self) -> AuditEvents {
        AuditEvents(vec![EventData::new(&self)])
    }
}

impl IntoAuditEvents for AuditEvents {
    fn into_events(self) -> AuditEvents {
        self
    }
}

/// Declares the audit events of a module, once in its api crate, and the list `AUDIT_EVENTS` for `services!`. The first
/// field of an event is the id of its target. `result Denied` or `result Failed` follows the version of an event that
/// reports no success:
///
/// ```ignore
/// kernel::audit_events! {
///     /// A role was renamed.
///     pub struct RoleRenamed: "role.renamed", version 1 {
///         role: RoleId,
///         name: Change<RoleName>,
///     }
/// }
/// ```
#[macro_export]
macro_rules! audit_events {
    (@result) => { $crate::AuditResult::Succeeded };
    (@result $result:ident) => { $crate::AuditResult::$result };
    ($(
        #[doc = $about:literal]
        $vis:vis struct $name:ident: $event:literal, version $version:literal $(, result $result:ident)? {
            $target:ident: $target_type:ty,
            $($field:ident: $type:ty,)*
        }
    )*) => {
        $(
            #[doc = $about]
            #[derive(Debug, Clone)]
            #[allow(missing_docs, reason = "the names of the fields say what they are")]
            $vis struct $name {
                $vis $target: $target_type,
                $($vis $field: $type,)*
            }

            impl $crate::AuditEvent for $name {
                const INFO: $crate::AuditEventInfo = $crate::AuditEventInfo {
                    name: $event,
                    version: $version,
                    about: $about.trim_ascii(),
                    result: $crate::audit_events!(@result $($result)?),
                    target: stringify!($target),
                    fields: &[$(stringify!($field)),*],
                };

                fn target(&self) -> $crate::Uuid {
                    self.$target.as_uuid()
                }

                fn fields(&self) -> $crate::serde_json::Map<String, $crate::serde_json::Value> {
                    let fields = [$((stringify!($field).to_owned(), <$type as $crate::AuditValue>::to_json(&self.$field)),)*];
                    fields.into_iter().collect()
                }
            }
        )*

        /// All audit events of this module.
        pub const AUDIT_EVENTS: &[$crate::AuditEventInfo] = &[$(<$name as $crate::AuditEvent>::INFO),*];
    };
}

#[cfg(test)]
#[expect(unreachable_pub, reason = "the macro is for api crates")]
mod tests {
    use super::*;
    use crate::{OperatorCommand, RoleId};

    crate::audit_events! {
        /// A fixture was changed.
        struct FixtureChanged: "fixture.changed", version 2 {
            fixture: RoleId,
            size: Change<i32>,
            name: Option<&'static str>,
        }
    }

    #[test]
    fn record_has_all_fields_in_canonical_form() {
        let id = Uuid::from_u128(0x0198_a8a0_0000_7000_8000_0000_0000_0001);
        let event = FixtureChanged {
            fixture: RoleId::from_uuid(Uuid::from_u128(2)),
            size: Change { before: 1, after: 2 },
            name: Some("a"),
        };
        let caller = Caller::operator(OperatorCommand::CreateTenant);
        let record = EventData::new(&event).to_record(id, None, &caller);
        assert_eq!(
            record,
            concat!(
                r#"{"caller":{"command":"tenants create","type":"operator"},"#,
                r#""fields":{"name":"a","size":{"after":2,"before":1}},"#,
                r#""id":"0198a8a0-0000-7000-8000-000000000001","#,
                r#""occurred_at":"2025-08-14T12:48:34.816Z","result":"succeeded","#,
                r#""target":{"id":"00000000-0000-0000-0000-000000000002","type":"fixture"},"#,
                r#""tenant":null,"type":"fixture.changed","version":2}"#,
            )
        );
    }

    #[test]
    fn event_list_has_names_of_fields() {
        let [info] = AUDIT_EVENTS else { panic!("{AUDIT_EVENTS:?}") };
        assert_eq!((info.name, info.version, info.about), ("fixture.changed", 2, "A fixture was changed."));
        assert_eq!((info.target, info.fields), ("fixture", &["size", "name"][..]));
    }

    #[test]
    fn several_events_have_different_ids() {
        let event = FixtureChanged { fixture: RoleId::new(), size: Change { before: 0, after: 1 }, name: None };
        let caller = Caller::operator(OperatorCommand::CreateUser);
        let records = event.clone().into_events().and(event).to_records(None, &caller);
        assert_eq!(records.len(), 2);
        assert_ne!(records[0], records[1]);
    }
}
