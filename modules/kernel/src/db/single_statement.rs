//! Reading by single statements, without a transaction around them: one round trip, where a transaction takes three.
//!
//! Such a statement opens its own scope and closes it with itself: it reads
//! `FROM (SELECT tenant_scope($1) AS tenant_id OFFSET 0) AS s, LATERAL (… OFFSET 0)`, or `user_scope` there. The fences
//! are what makes the scope come first; a test refuses a statement without (`tests/arch-lint/src/scoped_statements.rs`). One that forgets
//! its scope finds nothing.

use std::ops::Deref;

use sqlx::{
    Postgres,
    postgres::{PgArguments, PgRow},
    query::Map,
};

use super::{DbError, error::is_unavailable, pool::Pool};
use crate::contracts::TenantId;

/// Reads what belongs to no tenant, and what a statement's own scope opens.
#[derive(Debug, Clone)]
pub struct Reader {
    pool: Pool,
}

impl Reader {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// All rows of a query. It is made anew where the connection turns out to be broken: reading twice is reading.
    ///
    /// # Errors
    /// [`DbError`]
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
            match query().fetch_all(&mut *connection).await {
                Ok(rows) => {
                    connection.check_in();
                    return Ok(rows);
                }
                Err(error) if tries > 0 && is_unavailable(&error) => {
                    tracing::debug!(%error, "a pooled connection was dead; trying another");
                    tries -= 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The row of a query that gives one at the most.
    ///
    /// # Errors
    /// As for [`Reader::fetch_all`].
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

/// Reads a tenant's rows.
#[derive(Debug, Clone)]
pub struct TenantReader {
    reader: Reader,
    tenant: TenantId,
}

impl TenantReader {
    pub(super) fn new(reader: Reader, tenant: TenantId) -> Self {
        Self { reader, tenant }
    }

    /// The tenant: what every statement opens its scope with.
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
