//! The pool behind the ways in.

use std::{pin::pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::{
    AssertSqlSafe, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{
    runtime::Handle,
    task::{JoinError, JoinHandle},
};

use super::{
    Database, DbConfig, DbError, MIGRATIONS, UserTx, Reader, Readiness, SystemDatabase, SystemTx, SystemReason,
    TenantReader, TenantTx, Tx,
    error::is_unavailable,
    migrate::AppliedMigrations,
    roles::{APP_ROLE, SYSTEM_ROLE},
    idle_connections::{IdleConnections, CheckedOut},
    tx::join_task,
};
use crate::contracts::{Identity, TenantScope};

/// A connection's settings that don't depend on the surroundings. Given at start-up rather than by statements after
/// connecting: so they survive `DISCARD ALL` and `RESET ROLE`.
pub(super) fn app_options(options: PgConnectOptions) -> PgConnectOptions {
    plain_options(options).options([
        ("role", APP_ROLE),
        ("row_security", "on"),
        ("statement_timeout", "30s"),
        ("idle_in_transaction_session_timeout", "30s"),
    ])
}

/// What the application's and the owner's connections have in common.
pub(super) fn plain_options(options: PgConnectOptions) -> PgConnectOptions {
    options.application_name("tenantry").options([("search_path", "public"), ("TimeZone", "UTC")])
}

/// Connections of the application's login, and the runtime they belong to.
///
/// A connection ends with the runtime that it was made on. Each of the web server's workers has one of its own, and on
/// shutdown an idle worker ends before the busy ones: so every opening, which may have to connect, runs on the runtime
/// that the pool was made on, and that outlives them.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    connections: PgPool,
    idle_connections: Arc<IdleConnections>,
    runtime: Handle,
}

impl Pool {
    /// Must be called on the runtime that the connections are to belong to.
    pub(super) fn new(options: PgConnectOptions, config: &DbConfig) -> Self {
        let connections = PgPoolOptions::new()
            .max_connections(config.pool_size)
            .acquire_timeout(config.connect_timeout)
            // Its ping is one more round trip a transaction; `open` does without by trying again.
            .test_before_acquire(false)
            .connect_lazy_with(app_options(options));
        let runtime = Handle::current();
        Self { connections, idle_connections: Arc::new(IdleConnections::new(runtime.clone())), runtime }
    }

    pub(super) async fn close(&self) {
        self.idle_connections.close();
        self.connections.close().await;
    }

    pub(super) async fn acquire(&self) -> Result<sqlx::pool::PoolConnection<sqlx::Postgres>, sqlx::Error> {
        self.connections.acquire().await
    }

    /// How many connections there can be.
    pub(super) fn size(&self) -> u32 {
        self.connections.options().get_max_connections()
    }

    /// A connection for a single statement.
    pub(super) async fn check_out(&self) -> Result<CheckedOut, DbError> {
        if let Some(taken) = self.idle_connections.check_out().or_else(|| self.idle()) {
            return Ok(taken);
        }
        let patience = self.connections.options().get_acquire_timeout();
        let waited = tokio::time::timeout(patience, self.open_or_wait()).await;
        waited.unwrap_or(Err(DbError::Unavailable(sqlx::Error::PoolTimedOut)))
    }

    fn idle(&self) -> Option<CheckedOut> {
        self.connections.try_acquire().map(|connection| self.idle_connections.adopt_idle(connection))
    }

    /// For one that is opened here, one that another reader is done with, or one that comes back from a transaction: of
    /// that nobody tells.
    async fn open_or_wait(&self) -> Result<CheckedOut, DbError> {
        if self.is_full()
            && let Some(taken) = self.idle_connections.check_out_any()
        {
            return Ok(taken);
        }
        let mut opening = OptionalTask(None);
        let mut next = pin!(self.idle_connections.next());
        // Ticks at once for the first time.
        let mut look = tokio::time::interval(Duration::from_millis(2));
        loop {
            tokio::select! {
                biased;
                taken = &mut next => return Ok(taken?),
                opened = opening.ended() => join_task(opened)?,
                _ = look.tick() => {
                    if let Some(taken) = self.idle() {
                        return Ok(taken);
                    }
                    // Looked at anew each time: those who had them all may have lost them.
                    if opening.0.is_none() && !self.is_full() {
                        opening = OptionalTask(Some(tokio::spawn(self.clone().open_spare())));
                    }
                }
            }
        }
    }

    /// Goes on where whoever wanted it has found another: it is kept for the next one.
    async fn open_spare(self) -> Result<(), DbError> {
        let connection = self.connections.acquire().await?;
        self.idle_connections.adopt_new(connection).check_in();
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.connections.size() >= self.size()
    }

    /// Opens a transaction with one round trip. `opening` begins it and can't fail after BEGIN: settings and
    /// constants alone.
    ///
    /// sqlx's own `begin` isn't safe to cancel: a client that hangs up at the wrong moment would leave its
    /// transaction open in the pool, scope and all. So it runs in a task that a cancelled caller can't stop; the
    /// task's transaction is then dropped, and so rolled back.
    async fn open(&self, opening: String, role: Option<&'static str>) -> Result<Tx, DbError> {
        let pool = self.clone();
        join_task(self.runtime.spawn(async move { pool.open_here(&opening, role).await }).await)
    }

    /// Where the connection turns out to be broken nothing has run yet, so another is tried: as many as there can
    /// be dead ones in the pool, and a fresh one.
    async fn open_here(&self, opening: &str, role: Option<&'static str>) -> Result<Tx, DbError> {
        let mut tries = self.size();
        loop {
            match self.try_open(opening, role).await {
                Err(DbError::Unavailable(error)) if tries > 0 && is_retryable(&error) => {
                    tracing::debug!(%error, "a pooled connection was dead; trying another");
                    tries -= 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn try_open(&self, opening: &str, role: Option<&'static str>) -> Result<Tx, DbError> {
        // Safe: `opening` is put together below from constants and UUIDs. It can't fail, so whatever does is on the
        // way there: no connection, or one that is refused.
        let in_line = self.idle_connections.register_waiter(self.is_full() && self.connections.num_idle() == 0);
        let tx = self.connections.begin_with(AssertSqlSafe(opening)).await.map_err(DbError::Unavailable)?;
        drop(in_line);
        let mut tx = Tx::new(tx);
        if let Some(role) = role {
            // A statement of its own, for it can fail: the transaction that it fails in is rolled back.
            sqlx::raw_sql(AssertSqlSafe(format!("SET LOCAL ROLE {role}"))).execute(&mut *tx).await?;
        }
        Ok(tx)
    }
}

/// A task that may not be there, or may have ended: then it never ends.
struct OptionalTask<T>(Option<JoinHandle<T>>);

impl<T> OptionalTask<T> {
    async fn ended(&mut self) -> Result<T, JoinError> {
        match &mut self.0 {
            None => std::future::pending().await,
            Some(task) => {
                let outcome = task.await;
                self.0 = None;
                outcome
            }
        }
    }
}

/// A pool that is exhausted or closed stays so, whoever asks again, and so does a server that refuses.
fn is_retryable(error: &sqlx::Error) -> bool {
    is_unavailable(error) && !matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed)
}

#[async_trait]
impl Database for Pool {
    async fn begin(&self, scope: &TenantScope) -> Result<TenantTx, DbError> {
        let tenant = scope.tenant();
        let opening = format!("BEGIN; SELECT set_config('app.tenant_id', '{tenant}', true)");
        Ok(TenantTx::new(self.open(opening, None).await?, tenant))
    }

    async fn begin_for_user(&self, identity: &Identity) -> Result<UserTx, DbError> {
        let user = identity.user();
        let opening = format!("BEGIN READ ONLY; SELECT set_config('app.user_id', '{user}', true)");
        Ok(UserTx::new(self.open(opening, None).await?, user))
    }

    fn reader(&self) -> Reader {
        Reader::new(self.clone())
    }

    fn tenant_reader(&self, scope: &TenantScope) -> TenantReader {
        TenantReader::new(self.reader(), scope.tenant())
    }

    async fn begin_unscoped(&self) -> Result<Tx, DbError> {
        // With a first query in it, the transaction can't be made to write any more.
        self.open("BEGIN READ ONLY; SELECT".into(), None).await
    }
}

#[async_trait]
impl Readiness for Pool {
    async fn ready(&self) -> Result<(), DbError> {
        let mut tx = self.begin_unscoped().await?;
        let Some(applied) = AppliedMigrations::read_as_application(&mut tx).await? else {
            return Err(DbError::SchemaNotCurrent);
        };
        applied.compare(&MIGRATIONS).map_err(|_| DbError::SchemaNotCurrent)
    }
}

#[async_trait]
impl SystemDatabase for Pool {
    async fn begin(&self, reason: SystemReason) -> Result<SystemTx, DbError> {
        let tx = self.open("BEGIN".into(), Some(SYSTEM_ROLE)).await?;
        tracing::debug!(?reason, "opened the whole database");
        Ok(SystemTx::new(tx, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permanent_errors_are_not_retried() {
        let hung_up = sqlx::Error::Io(std::io::ErrorKind::UnexpectedEof.into());
        assert!(is_retryable(&hung_up) && is_retryable(&sqlx::Error::WorkerCrashed));
        for error in [sqlx::Error::PoolTimedOut, sqlx::Error::PoolClosed, sqlx::Error::RowNotFound] {
            assert!(!is_retryable(&error), "{error}");
        }
    }
}
