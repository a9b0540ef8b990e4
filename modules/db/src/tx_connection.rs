//! The connection of a transaction: each statement has a deadline, and so has the return to the pool.
//!
//! sqlx waits without limit for a server that has stopped or become unreachable: for a result, and when it tests a
//! connection that is returned to the pool. The connection keeps its place in the pool meanwhile.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::{Stream, future::BoxFuture, stream::BoxStream};
use sqlx::{
    Describe, Either, Execute, Executor, PgConnection, Postgres, SqlStr,
    pool::PoolConnection,
    postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Sleep, sleep, timeout},
};

use super::{
    deadlines::{RETURN_DEADLINE, STATEMENT_DEADLINE, no_response},
    idle_connections::IdleConnections,
};

/// A connection checked out for a transaction. Dropping it rolls the transaction back and returns the connection to the
/// pool, in the background.
#[derive(Debug)]
pub(super) struct TxConnection {
    /// `None` only while this is dropped.
    connection: Option<PoolConnection<Postgres>>,
    /// Whether there may be a transaction to roll back.
    in_transaction: bool,
    /// Whether the connection is closed instead of returned, since what the server does with it is unknown.
    broken: bool,
    idle_connections: Arc<IdleConnections>,
    /// Kept until the connection is back in the pool.
    share: Option<Arc<OwnedSemaphorePermit>>,
}

impl TxConnection {
    pub(super) fn new(
        connection: PoolConnection<Postgres>,
        idle_connections: Arc<IdleConnections>,
        share: Option<Arc<OwnedSemaphorePermit>>,
    ) -> Self {
        Self { connection: Some(connection), in_transaction: true, broken: false, idle_connections, share }
    }

    /// The connection without a deadline for its statements. The caller limits the duration.
    pub(super) fn without_deadline(&mut self) -> &mut PgConnection {
        connection(&mut self.connection)
    }

    /// Executes a statement with a deadline.
    pub(super) fn executor(&mut self) -> impl Executor<'_, Database = Postgres> {
        StatementExecutor(self)
    }

    /// Records that the transaction has ended.
    pub(super) fn set_finished(&mut self) {
        self.in_transaction = false;
    }

    /// Records that the connection can't be used again.
    pub(super) fn set_broken(&mut self) {
        self.broken = true;
    }
}

#[expect(clippy::expect_used, reason = "it is taken only in `drop`, after which nothing calls this")]
fn connection(connection: &mut Option<PoolConnection<Postgres>>) -> &mut PgConnection {
    connection.as_mut().expect("a connection that hasn't been dropped")
}

impl Drop for TxConnection {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let runtime = self.idle_connections.runtime();
        // The drop below, or at the deadline, requires a runtime even if the caller has none.
        let _runtime = runtime.enter();
        connection.close_on_drop();
        if self.broken {
            return;
        }
        let in_transaction = self.in_transaction;
        let returned = async move {
            if !in_transaction || sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await.is_ok() {
                connection.return_to_pool().await;
            }
        };
        let (share, idle_connections) = (self.share.take(), Arc::clone(&self.idle_connections));
        runtime.spawn(async move {
            // At the deadline, the connection is closed.
            let _returned = timeout(RETURN_DEADLINE, returned).await;
            drop(share);
            idle_connections.serve_reader();
        });
    }
}

/// Executes statements with a deadline. After it, the connection is closed, and the idle ones as well: the next requests
/// would wait for the same server.
#[derive(Debug)]
struct StatementExecutor<'c>(&'c mut TxConnection);

impl<'c> Executor<'c> for StatementExecutor<'c> {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let TxConnection { connection: inner, broken, idle_connections, .. } = self.0;
        let results = connection(inner).fetch_many(query);
        Box::pin(ResultsWithDeadline {
            results,
            deadline: Box::pin(sleep(STATEMENT_DEADLINE)),
            broken,
            idle_connections,
        })
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(async move {
            let result = timeout(STATEMENT_DEADLINE, self.0.without_deadline().fetch_optional(query)).await;
            result.unwrap_or_else(|_| Err(fail_and_close_idle(&mut self.0.broken, &self.0.idle_connections)))
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        let Self(connection) = self;
        Box::pin(async move {
            let prepared =
                timeout(STATEMENT_DEADLINE, connection.without_deadline().prepare_with(sql, parameters)).await;
            prepared.unwrap_or_else(|_| Err(fail_and_close_idle(&mut connection.broken, &connection.idle_connections)))
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'c: 'e,
    {
        let Self(connection) = self;
        Box::pin(async move {
            let described = timeout(STATEMENT_DEADLINE, connection.without_deadline().describe(sql)).await;
            described.unwrap_or_else(|_| Err(fail_and_close_idle(&mut connection.broken, &connection.idle_connections)))
        })
    }
}

/// The results of a statement, until the deadline.
struct ResultsWithDeadline<'e, T> {
    results: BoxStream<'e, Result<T, sqlx::Error>>,
    deadline: Pin<Box<Sleep>>,
    broken: &'e mut bool,
    idle_connections: &'e IdleConnections,
}

impl<T> Stream for ResultsWithDeadline<'_, T> {
    type Item = Result<T, sqlx::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Poll::Ready(result) = this.results.as_mut().poll_next(context) {
            return Poll::Ready(result);
        }
        ready!(this.deadline.as_mut().poll(context));
        Poll::Ready(Some(Err(fail_and_close_idle(this.broken, this.idle_connections))))
    }
}

/// Marks the connection as broken, closes all idle connections and returns the error of the statement.
fn fail_and_close_idle(broken: &mut bool, idle_connections: &IdleConnections) -> sqlx::Error {
    *broken = true;
    idle_connections.close_idle();
    no_response(STATEMENT_DEADLINE)
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, time::Duration};

    use sqlx::postgres::PgPoolOptions;
    use test_support::TempDb;
    use tokio::runtime::Handle;

    use super::*;

    /// Nothing polls for a connection here, so the reader would wait forever.
    #[tokio::test]
    async fn connection_of_ended_transaction_goes_to_waiting_reader() {
        let database = TempDb::empty().await;
        let pool = PgPoolOptions::new().max_connections(1).connect(&database.url()).await.unwrap();
        let idle_connections = Arc::new(IdleConnections::new(pool.clone(), Handle::current()));
        let connection = pool.acquire().await.unwrap();
        let transaction = TxConnection::new(connection, Arc::clone(&idle_connections), None);
        let mut reader = pin!(idle_connections.wait_for_release());
        assert!(timeout(Duration::ZERO, &mut reader).await.is_err(), "the only connection is in use");
        drop(transaction);
        timeout(Duration::from_secs(60), reader).await.expect("a connection").unwrap();
    }
}
