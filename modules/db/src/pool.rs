//! The connection pool behind all transactions and readers.

use std::{pin::pin, sync::Arc, time::Duration};

use sqlx::{
    AssertSqlSafe, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{
    runtime::Handle,
    sync::OwnedSemaphorePermit,
    task::{JoinError, JoinHandle},
    time::{Instant, timeout_at},
};

use super::{
    DbConfig, DbError, RoleNames, Tx,
    deadlines::{IDLE_IN_TRANSACTION_TIMEOUT, LOCK_TIMEOUT, STATEMENT_TIMEOUT},
    idle_connections::{CheckedOut, IdleConnections},
    outcome::{Outcome, is_standby_rejection},
    pool_share::{PoolShares, ShareOf},
    tx::task_result,
    tx_connection::TxConnection,
};

/// How often a waiting reader looks for a connection that wasn't passed to it. Each time wakes the task of its request.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Session settings of the application's connections. They are sent at connection start-up rather than as statements,
/// so that they survive `DISCARD ALL` and `RESET ROLE`.
pub(super) fn app_options(options: PgConnectOptions, roles: &RoleNames) -> PgConnectOptions {
    plain_options(options).options([("role", roles.app()), ("row_security", "on")])
}

/// Settings of all connections; the migration runner changes some. [`without_transaction_timeout`] adds one as soon as
/// the server's version is known. They take precedence over `ALTER SYSTEM`, `ALTER DATABASE … SET`, `ALTER ROLE … SET`
/// and the options in the URL, whose values the code can't rely on.
pub(super) fn plain_options(options: PgConnectOptions) -> PgConnectOptions {
    let millis = |timeout: Duration| timeout.as_millis().to_string();
    let options = options.application_name("tenantry").options([
        ("search_path", "public"),
        ("TimeZone", "UTC"),
        // The row locks of the modules are written for this level.
        ("default_transaction_isolation", "read committed"),
        ("default_transaction_read_only", "off"),
        ("default_transaction_deferrable", "off"),
        // The pool decides how long an idle connection is kept.
        ("idle_session_timeout", "0"),
        // The server closes a connection whose client is unreachable after a minute, which releases its locks. Ignored
        // on Unix sockets.
        ("tcp_keepalives_idle", "30"),
        ("tcp_keepalives_interval", "10"),
        ("tcp_keepalives_count", "3"),
    ]);
    options.options([
        ("statement_timeout", millis(STATEMENT_TIMEOUT)),
        ("lock_timeout", millis(LOCK_TIMEOUT)),
        ("idle_in_transaction_session_timeout", millis(IDLE_IN_TRANSACTION_TIMEOUT)),
    ])
}

/// Turns off the maximum duration of a transaction: long transactions are limited by the settings for statements and
/// pauses. PostgreSQL introduced it in version 17, and older servers reject the unknown parameter.
pub(super) fn without_transaction_timeout(options: PgConnectOptions, server_major: u32) -> PgConnectOptions {
    if server_major < 17 { options } else { options.options([("transaction_timeout", "0")]) }
}

/// Connections of the application's login. Transactions use those of the runtime that created the pool; reads prefer
/// those of their caller's runtime.
///
/// A connection dies with the runtime it was opened on. Each worker of the web server has its own runtime, and during
/// shutdown idle workers exit before busy ones. Transactions are therefore begun on the runtime on which the pool was
/// created, which outlives the workers.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    connections: PgPool,
    pub(super) roles: RoleNames,
    idle_connections: Arc<IdleConnections>,
    runtime: Handle,
    shares: Arc<PoolShares>,
}

impl Pool {
    /// Must be called on the runtime on which transactions should run.
    pub(super) fn new(options: PgConnectOptions, config: &DbConfig, roles: RoleNames) -> Self {
        let connections = PgPoolOptions::new()
            .max_connections(config.pool_size)
            .acquire_timeout(config.connect_timeout)
            // The ping would cost a round trip per transaction. `open_transaction` retries instead.
            .test_before_acquire(false)
            .connect_lazy_with(app_options(options, &roles));
        let runtime = Handle::current();
        let idle_connections = Arc::new(IdleConnections::new(connections.clone(), runtime.clone()));
        let shares = Arc::new(PoolShares::new(config.pool_size));
        Self { connections, roles, idle_connections, runtime, shares }
    }

    pub(super) async fn close(&self) {
        self.idle_connections.close();
        self.connections.close().await;
    }

    pub(super) async fn acquire(&self) -> Result<sqlx::pool::PoolConnection<sqlx::Postgres>, sqlx::Error> {
        self.connections.acquire().await
    }

    /// Maximum number of connections.
    pub(super) fn max_connections(&self) -> u32 {
        self.connections.options().get_max_connections()
    }

    /// Checks out a connection for a single statement.
    pub(super) async fn check_out(&self) -> Result<CheckedOut, DbError> {
        if let Some(connection) = self.idle_connections.check_out().or_else(|| self.try_acquire_from_sqlx()) {
            return Ok(connection);
        }
        let connection = timeout_at(self.deadline(), self.open_or_wait()).await;
        connection.unwrap_or(Err(DbError::Unavailable(sqlx::Error::PoolTimedOut)))
    }

    fn try_acquire_from_sqlx(&self) -> Option<CheckedOut> {
        self.connections.try_acquire().map(|connection| self.idle_connections.adopt_idle(connection))
    }

    /// Waits for a new connection, or for one released by another reader or by a transaction. Polls for the rest: a
    /// cancelled reader has returned its connection to sqlx's pool, or one was closed and a new one may be opened.
    async fn open_or_wait(&self) -> Result<CheckedOut, DbError> {
        if self.is_full()
            && let Some(connection) = self.idle_connections.check_out_any()
        {
            return Ok(connection);
        }
        let mut opening = OptionalTask(None);
        let mut next = pin!(self.idle_connections.wait_for_release());
        // The first tick is immediate.
        let mut poll = tokio::time::interval(POLL_INTERVAL);
        loop {
            tokio::select! {
                biased;
                connection = &mut next => return Ok(connection?),
                opened = opening.join() => task_result(opened)?,
                _ = poll.tick() => {
                    if let Some(connection) = self.try_acquire_from_sqlx() {
                        return Ok(connection);
                    }
                    // Check again each time: the connections in use may have died.
                    if opening.0.is_none() && !self.is_full() {
                        opening = OptionalTask(Some(tokio::spawn(self.clone().open_connection())));
                    }
                }
            }
        }
    }

    /// Runs to completion even if the reader has received another connection; the new one then becomes idle.
    async fn open_connection(self) -> Result<(), DbError> {
        // As in `try_open`, any error means that no usable connection was available.
        let connection = self.connections.acquire().await.map_err(DbError::Unavailable)?;
        self.idle_connections.adopt_new(connection).check_in();
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.connections.size() >= self.max_connections()
    }

    /// Returns the time until which a request may wait for a connection.
    fn deadline(&self) -> Instant {
        Instant::now() + self.connections.options().get_acquire_timeout()
    }

    /// Begins a transaction in one round trip. After BEGIN, `begin_sql` may only have what can't fail on a usable
    /// connection, apart from an outdated admission.
    pub(crate) async fn open_transaction(&self, begin_sql: String) -> Result<Tx, DbError> {
        self.open_in_task(BeginRequest { begin_sql, role: None, share: None }, self.deadline()).await
    }

    /// Like [`Self::open_transaction`], within the limit of this tenant, or of the system transactions with this
    /// reason. `role` is a quoted identifier.
    pub(crate) async fn open_limited(
        &self,
        of: ShareOf,
        begin_sql: String,
        role: Option<String>,
    ) -> Result<Tx, DbError> {
        let deadline = self.deadline();
        let share = Some(Arc::new(self.shares.acquire(of, deadline).await?));
        self.open_in_task(BeginRequest { begin_sql, role, share }, deadline).await
    }

    /// Begins a transaction in a task that survives the caller's cancellation. A client that disconnects at the wrong
    /// moment would otherwise leave its transaction, with its scope, open in the pool. The task's transaction is then
    /// dropped and rolled back.
    async fn open_in_task(&self, request: BeginRequest, deadline: Instant) -> Result<Tx, DbError> {
        let pool = self.clone();
        let task = self.runtime.spawn(async move {
            let opened = timeout_at(deadline, pool.open_with_retry(&request)).await;
            opened.unwrap_or(Err(DbError::Unavailable(sqlx::Error::PoolTimedOut)))
        });
        task_result(task.await)
    }

    /// If a connection turns out to be dead, nothing has run yet, so another one is tried: at most as many as the pool
    /// can hold, plus a new one.
    async fn open_with_retry(&self, request: &BeginRequest) -> Result<Tx, DbError> {
        let mut retries_left = self.max_connections();
        loop {
            match self.try_open(request).await {
                Err(DbError::Unavailable(error)) if retries_left > 0 && is_retryable(&error) => {
                    tracing::debug!(%error, "can't begin a transaction; trying another connection");
                    retries_left -= 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn try_open(&self, BeginRequest { begin_sql, role, share }: &BeginRequest) -> Result<Tx, DbError> {
        let waiting =
            self.idle_connections.register_waiting_transaction(self.is_full() && self.connections.num_idle() == 0);
        let connection = self.connections.acquire().await.map_err(DbError::Unavailable)?;
        drop(waiting);
        let connection = TxConnection::new(connection, Arc::clone(&self.idle_connections), share.clone());
        let begun = Tx::begin(connection, begin_sql).await;
        let is_server_unavailable =
            |error: &sqlx::Error| is_standby_rejection(error) || Outcome::of(error) == Outcome::Unavailable;
        if begun.as_ref().is_err_and(is_server_unavailable) {
            // The other connections lead to the same server.
            self.idle_connections.close_idle();
        }
        // Unless the admission is outdated, `begin_sql` can't fail itself: the connection wasn't usable.
        let mut tx = begun.map_err(|error| match error.into() {
            DbError::Query(error) => DbError::Unavailable(error),
            error => error,
        })?;
        if let Some(role) = role {
            // A separate statement, because it can fail; the transaction is then rolled back.
            sqlx::raw_sql(AssertSqlSafe(format!("SET LOCAL ROLE {role}"))).execute(tx.conn()).await?;
        }
        Ok(tx)
    }

    /// Closes all idle connections.
    pub(super) fn close_idle(&self) {
        self.idle_connections.close_idle();
    }
}

/// A transaction to begin.
#[derive(Debug)]
struct BeginRequest {
    begin_sql: String,
    /// A quoted identifier.
    role: Option<String>,
    share: Option<Arc<OwnedSemaphorePermit>>,
}

/// Whether another connection may work.
fn is_retryable(error: &sqlx::Error) -> bool {
    Outcome::of(error) == Outcome::Retry || is_standby_rejection(error)
}

/// An optional task. Waiting for it never returns if there is none or if it has already been waited for.
struct OptionalTask<T>(Option<JoinHandle<T>>);

impl<T> OptionalTask<T> {
    async fn join(&mut self) -> Result<T, JoinError> {
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
