//! Single-statement reads, which take one round trip where a transaction takes three.
//!
//! Each statement sets its own scope, which ends with the statement: `FROM (SELECT tenant_scope($1) AS tenant_id
//! OFFSET 0) AS s, LATERAL (… OFFSET 0)`, or with `user_scope`.
//!
//! The `OFFSET 0` fences guarantee that the scope is set first; `tests/arch-lint/src/scoped_statements.rs` rejects
//! statements without them. A statement that doesn't set a scope sees no tenant rows.

use std::ops::Deref;

use kernel::TenantId;
use sqlx::{
    Postgres,
    postgres::{PgArguments, PgRow},
    query::Map,
};

use tokio::time::timeout;

use super::{
    DbError,
    deadlines::{STATEMENT_DEADLINE, no_response},
    outcome::{Outcome, is_standby_rejection},
    pool::Pool,
};

/// Reads the rows of the scope that a statement sets.
#[derive(Debug, Clone)]
pub struct Reader {
    pool: Pool,
}

impl Reader {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Returns all rows of a query. Retries on another connection if one turns out to be dead or to lead to a
    /// standby, or if the read conflicts with another transaction, which is safe for reads.
    pub async fn fetch_all<'q, T, F>(
        &self,
        query: impl Fn() -> Map<'q, Postgres, F, PgArguments>,
    ) -> Result<Vec<T>, DbError>
    where
        F: FnMut(PgRow) -> Result<T, sqlx::Error> + Send,
        T: Send + Unpin,
    {
        let mut tries = self.pool.size();
        loop {
            let mut connection = self.pool.check_out().await?;
            let Ok(result) = timeout(STATEMENT_DEADLINE, query().fetch_all(&mut *connection)).await else {
                connection.close();
                return Err(no_response(STATEMENT_DEADLINE).into());
            };
            match result {
                Ok(rows) => {
                    connection.check_in();
                    return Ok(rows);
                }
                Err(error) if tries > 0 && is_standby_rejection(&error) => {
                    // After a failover, new connections may lead to the new primary.
                    connection.close();
                    tries -= 1;
                }
                Err(error) if tries > 0 && Outcome::of(&error) == Outcome::Retry => {
                    tracing::debug!(%error, "a read failed; trying another connection");
                    tries -= 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Returns the row of a query that returns at most one.
    pub async fn fetch_optional<'q, T, F>(
        &self,
        query: impl Fn() -> Map<'q, Postgres, F, PgArguments>,
    ) -> Result<Option<T>, DbError>
    where
        F: FnMut(PgRow) -> Result<T, sqlx::Error> + Send,
        T: Send + Unpin,
    {
        Ok(self.fetch_all(query).await?.into_iter().next())
    }
}

/// Reads the rows of one tenant.
#[derive(Debug, Clone)]
pub struct TenantReader {
    reader: Reader,
    tenant: TenantId,
}

impl TenantReader {
    pub(super) fn new(reader: Reader, tenant: TenantId) -> Self {
        Self { reader, tenant }
    }

    /// Returns the tenant, to which every statement must set its scope.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }
}

impl Deref for TenantReader {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}
