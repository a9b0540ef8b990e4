//! Single-statement reads, which take one round trip where a transaction takes three.
//!
//! Each statement sets its own scope, which ends with the statement: `FROM (SELECT admitted_scope($1) AS tenant_id
//! OFFSET 0) AS s, LATERAL (… OFFSET 0)`, or with `user_scope`, or with `tenant_scope` if there is no admission yet.
//!
//! The `OFFSET 0` fences guarantee that the scope is set first; `tests/arch-lint/src/scoped_statements.rs` rejects
//! statements without them. A statement that doesn't set a scope sees no tenant rows.

use std::{ops::Deref, sync::Arc};

use kernel::{AdmissionCheck, AdmissionFacts};
use sqlx::{
    Postgres,
    postgres::{PgArguments, PgRow},
    query::Map,
};

use tokio::time::timeout;
use uuid::Uuid;

use super::{
    DbError,
    deadlines::{STATEMENT_DEADLINE, no_response},
    outcome::{Outcome, is_standby_rejection},
    pool::Pool,
    sqlstate::is_outdated,
};

/// Reads the rows of the scope that a statement sets.
#[derive(Debug, Clone)]
pub struct Reader {
    pool: Pool,
    /// The admission that each statement of a [`TenantReader`] compares, if its scope is that of a read.
    check: Option<Arc<AdmissionCheck>>,
}

impl Reader {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool, check: None }
    }

    /// Returns all rows of a query. Retries on another connection if one turns out to be dead or to lead to a
    /// standby, or if the read conflicts with another transaction, which is safe for reads.
    ///
    /// # Errors
    /// [`DbError::AdmissionOutdated`] from a [`TenantReader`], if the caller's role, the policies or anything else that
    /// the admission depends on has changed.
    pub async fn fetch_all<'q, T, F>(
        &self,
        query: impl Fn() -> Map<'q, Postgres, F, PgArguments>,
    ) -> Result<Vec<T>, DbError>
    where
        F: FnMut(PgRow) -> Result<T, sqlx::Error> + Send,
        T: Send + Unpin,
    {
        let rows = self.fetch_with_retry(query).await;
        if let Some(check) = &self.check {
            record_check(check, rows.as_ref().err());
        }
        rows
    }

    /// Returns the row of a query that returns at most one.
    ///
    /// # Errors
    /// As [`Self::fetch_all`].
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

    async fn fetch_with_retry<'q, T, F>(
        &self,
        query: impl Fn() -> Map<'q, Postgres, F, PgArguments>,
    ) -> Result<Vec<T>, DbError>
    where
        F: FnMut(PgRow) -> Result<T, sqlx::Error> + Send,
        T: Send + Unpin,
    {
        let mut retries_left = self.pool.max_connections();
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
                Err(error) if retries_left > 0 && is_standby_rejection(&error) => {
                    // After a failover, new connections may lead to the new primary.
                    connection.close();
                    retries_left -= 1;
                }
                Err(error) if retries_left > 0 && Outcome::of(&error) == Outcome::Retry => {
                    tracing::debug!(%error, "a read failed; trying another connection");
                    retries_left -= 1;
                }
                Err(error) if is_outdated(&error) => {
                    // The server has answered, and the statement has ended.
                    connection.check_in();
                    return Err(DbError::AdmissionOutdated);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Reads the rows of one tenant.
///
/// Each statement sets its scope by `admitted_scope($1)`, with [`Self::scope_argument`] as the argument. For the scope of a read
/// (GET or HEAD), that function also compares the admission with the tables, whether it was cached or has just been
/// read. The comparison sees the snapshot in which the statement reads.
#[derive(Debug, Clone)]
pub struct TenantReader {
    reader: Reader,
    scope_argument: Vec<Uuid>,
}

impl TenantReader {
    pub(super) fn new(pool: Pool, check: &Arc<AdmissionCheck>) -> Self {
        Self { reader: Reader { pool, check: Some(Arc::clone(check)) }, scope_argument: scope_argument(check) }
    }

    /// Returns the argument of `admitted_scope`: the tenant, and for the scope of a read also what it compares.
    pub fn scope_argument(&self) -> &[Uuid] {
        &self.scope_argument
    }
}

impl Deref for TenantReader {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

/// Returns the argument of `admitted_scope`, see [`TenantReader::scope`].
pub(super) fn scope_argument(check: &AdmissionCheck) -> Vec<Uuid> {
    let AdmissionFacts { tenant, user, role, policy_version } = check.facts();
    let mut argument = vec![tenant.as_uuid()];
    if check.needs_comparison() {
        argument.extend([user.as_uuid(), role.as_uuid(), policy_version]);
    }
    argument
}

/// Records the outcome of a statement that called `admitted_scope`. Other errors leave it open.
pub(super) fn record_check(check: &AdmissionCheck, error: Option<&DbError>) {
    match error {
        None => check.confirm(),
        Some(DbError::AdmissionOutdated) => check.mark_outdated(),
        Some(_) => {}
    }
}
