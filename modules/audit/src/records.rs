//! The tenant's records.

use std::sync::Arc;

use async_trait::async_trait;
use audit_api::{AuditFilter, AuditLog, AuditRead, AuditRecord, AuditRecordId};
use db::{Database, DbError};
use kernel::{Permit, UserId};
use shaku::Component;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::{Builder, Uuid};

/// Reads the table `audit_events`.
#[derive(Component)]
#[shaku(interface = AuditLog)]
pub(crate) struct AuditLogService {
    #[shaku(inject)]
    database: Arc<dyn Database>,
}

#[async_trait]
impl AuditLog for AuditLogService {
    async fn list(
        &self,
        permit: &Permit<AuditRead>,
        filter: &AuditFilter,
        before: Option<AuditRecordId>,
        limit: u16,
    ) -> Result<Vec<AuditRecord>, DbError> {
        let reader = self.database.tenant_reader(permit.scope());
        let scope = reader.scope_argument();
        let until = filter.until.map_or(Uuid::max(), smallest_id);
        let before = before.map_or(until, |before| until.min(before.as_uuid()));
        let from = filter.from.map_or(Uuid::nil(), smallest_id);
        let query = || {
            sqlx::query!(
                r#"SELECT e.record::jsonb AS "record!: Json<AuditRecord>"
                   FROM (SELECT admitted_scope($1) AS tenant_id OFFSET 0) AS s,
                     LATERAL (
                       SELECT e.id, e.record
                       FROM audit_events AS e
                       WHERE e.tenant_id = s.tenant_id AND e.id >= $2 AND e.id < $3
                         AND ($4::text IS NULL OR e.event_type = $4)
                         AND ($5::uuid IS NULL OR e.user_id = $5)
                         AND ($6::uuid IS NULL OR e.target_id = $6)
                       ORDER BY e.id DESC
                       LIMIT $7
                     ) AS e
                   ORDER BY e.id DESC"#,
                scope,
                from,
                before,
                filter.event_type.as_deref(),
                filter.user.map(UserId::as_uuid),
                filter.target,
                i64::from(limit),
            )
        };
        Ok(reader.fetch_all(query).await?.into_iter().map(|row| row.record.0).collect())
    }
}

/// Returns the smallest UUIDv7 of this time or, since ids contain milliseconds, of the next millisecond. Times before
/// 1970 count as 1970.
fn smallest_id(time: OffsetDateTime) -> Uuid {
    let nanoseconds = u128::try_from(time.unix_timestamp_nanos()).unwrap_or_default();
    let milliseconds = u64::try_from(nanoseconds.div_ceil(1_000_000)).unwrap_or(u64::MAX);
    Builder::from_unix_timestamp_millis(milliseconds, &[0; 10]).into_uuid()
}

#[cfg(test)]
mod tests {
    use time::{Duration, macros::datetime};

    use super::*;

    #[test]
    fn smallest_id_separates_times() {
        let time = datetime!(2026-03-01 12:00 UTC);
        let earlier = Builder::from_unix_timestamp_millis(1_772_366_399_999, &[0xff; 10]).into_uuid();
        let same = Builder::from_unix_timestamp_millis(1_772_366_400_000, &[0xff; 10]).into_uuid();
        assert!(earlier < smallest_id(time));
        assert!(smallest_id(time) <= same);
        assert!(same < smallest_id(time + Duration::microseconds(1)));
        assert_eq!(smallest_id(time + Duration::microseconds(1)), smallest_id(time + Duration::milliseconds(1)));
        // Nanoseconds since 1970 fit into 64 bits until 2554.
        assert!(
            smallest_id(datetime!(2554-01-01 0:00 UTC)) < smallest_id(datetime!(9999-12-31 23:59:59.999999999 UTC))
        );
        assert_eq!(smallest_id(datetime!(1969-12-31 0:00 UTC)), smallest_id(datetime!(1970-01-01 0:00 UTC)));
    }
}
