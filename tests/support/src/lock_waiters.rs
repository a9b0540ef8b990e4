//! Connections that wait for a lock.
#![expect(clippy::disallowed_methods, reason = "the statement is about PostgreSQL's sessions")]

use std::time::Duration;

use sqlx::PgConnection;

use crate::TestDb;

/// Returns the number of sessions that wait for a lock.
pub async fn lock_waiters(connection: &mut PgConnection) -> i64 {
    let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    sqlx::query_scalar(count).fetch_one(connection).await.unwrap()
}

/// Waits until this many connections to the database wait for a lock.
pub async fn wait_for_lock_waiters(db: &TestDb, count: i64) {
    let mut superuser = db.superuser().await;
    let wait = async {
        while lock_waiters(&mut superuser).await < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap();
}
