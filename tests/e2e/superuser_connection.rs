//! Superuser connections of tests that aren't asynchronous.

use sqlx::{AssertSqlSafe, Connection, FromRow, PgConnection, postgres::PgRow};
use tokio::runtime::Runtime;

pub(crate) struct DbConnection {
    runtime: Runtime,
    connection: PgConnection,
}

impl DbConnection {
    pub(crate) fn connect(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(PgConnection::connect(url)).unwrap();
        Self { runtime, connection }
    }

    pub(crate) fn execute(&mut self, sql: &str) {
        self.runtime.block_on(sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection)).unwrap();
    }

    pub(crate) fn fetch_all<T: for<'r> FromRow<'r, PgRow> + Send + Unpin>(&mut self, sql: &str) -> Vec<T> {
        let query = sqlx::query_as(AssertSqlSafe(sql));
        self.runtime.block_on(query.fetch_all(&mut self.connection)).unwrap()
    }

    /// Returns the number of statements that wait for a lock.
    pub(crate) fn count_lock_waiters(&mut self) -> i64 {
        self.fetch_all::<(i64,)>("SELECT count(*) FROM pg_locks WHERE NOT granted")[0].0
    }
}
