//! Keeps connections between two single-statement reads.
//!
//! When a connection is returned to sqlx's pool, sqlx pings the server, which costs a round trip per statement. After
//! a completed statement the ping is unnecessary, so the connection is kept here for the next read.
//!
//! If possible, a connection is reused on the runtime it was opened on. Each worker of the web server has its own
//! runtime, and I/O on a connection of another runtime must wake two threads. A connection dies with its runtime. It is
//! therefore never used for a transaction, which would be interrupted; a read is simply retried.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};
use tokio::{
    runtime::{Handle, Id},
    sync::oneshot,
    time::timeout,
};

use super::deadlines::RETURN_DEADLINE;

/// How long a connection may be kept away from sqlx's pool, which replaces old connections.
const MAX_IDLE_AGE: Duration = Duration::from_secs(600);

/// The idle connections of a pool.
#[derive(Debug)]
pub(super) struct IdleConnections {
    state: Mutex<State>,
    connections: PgPool,
    /// The runtime on which transactions' connections are opened.
    runtime: Handle,
}

#[derive(Debug, Default)]
struct State {
    /// By the runtime on which they were opened.
    by_runtime: HashMap<Option<Id>, Vec<IdleConnection>>,
    /// Readers waiting for a connection.
    waiting_readers: VecDeque<oneshot::Sender<IdleConnection>>,
    /// Number of transactions waiting in sqlx's queue.
    waiting_transactions: usize,
    closed: bool,
}

impl State {
    fn pop(&mut self, runtime_id: Option<Id>) -> Option<IdleConnection> {
        self.by_runtime.get_mut(&runtime_id)?.pop()
    }

    fn pop_any(&mut self) -> Option<IdleConnection> {
        self.by_runtime.values_mut().find_map(Vec::pop)
    }
}

/// A connection checked out of sqlx's pool. Dropping it returns it, unless it is bound to a worker's runtime: then it
/// is closed.
#[derive(Debug)]
struct IdleConnection {
    connection: PoolConnection<Postgres>,
    checked_out_at: Instant,
    /// The runtime it was opened on; `None`: the one of the transactions.
    runtime_id: Option<Id>,
    /// Whether the connection is closed when dropped.
    broken: bool,
}

impl IdleConnection {
    fn new(connection: PoolConnection<Postgres>, runtime_id: Option<Id>) -> Self {
        Self { connection, checked_out_at: Instant::now(), runtime_id, broken: false }
    }
}

impl Drop for IdleConnection {
    fn drop(&mut self) {
        if self.runtime_id.is_some() || self.broken {
            self.connection.close_on_drop();
        } else {
            // sqlx itself would wait without limit. At the deadline, the connection is closed.
            let returned = self.connection.return_to_pool();
            Handle::current().spawn(async { timeout(RETURN_DEADLINE, returned).await });
        }
    }
}

impl IdleConnections {
    pub(super) fn new(connections: PgPool, runtime: Handle) -> Self {
        Self { state: Mutex::default(), connections, runtime }
    }

    /// The runtime on which transactions' connections are opened.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Checks out a connection opened on the caller's runtime.
    pub(super) fn check_out(self: &Arc<Self>) -> Option<CheckedOut> {
        let runtime_id = self.runtime_id();
        let connection = self.state().pop(runtime_id);
        connection.map(|connection| self.checked_out(connection))
    }

    /// Checks out a connection opened on any runtime.
    pub(super) fn check_out_any(self: &Arc<Self>) -> Option<CheckedOut> {
        let connection = self.state().pop_any();
        connection.map(|connection| self.checked_out(connection))
    }

    /// Wraps a connection that was idle in sqlx's pool.
    pub(super) fn adopt_idle(self: &Arc<Self>, connection: PoolConnection<Postgres>) -> CheckedOut {
        self.checked_out(IdleConnection::new(connection, None))
    }

    /// Wraps a connection just opened on the caller's runtime.
    pub(super) fn adopt_new(self: &Arc<Self>, connection: PoolConnection<Postgres>) -> CheckedOut {
        self.checked_out(IdleConnection::new(connection, self.runtime_id()))
    }

    /// Waits for a connection released by another reader. Waits forever if there are no other readers.
    pub(super) async fn next(self: &Arc<Self>) -> Result<CheckedOut, sqlx::Error> {
        let receiver = {
            let mut state = self.state();
            // One may have been released since the caller checked.
            if let Some(connection) = state.pop_any() {
                return Ok(self.checked_out(connection));
            }
            let (sender, receiver) = oneshot::channel();
            // If closed, the sender is dropped here and the receiver below fails.
            if !state.closed {
                state.waiting_readers.push_back(sender);
            }
            receiver
        };
        receiver.await.map(|connection| self.checked_out(connection)).map_err(|_| sqlx::Error::PoolClosed)
    }

    /// Registers a transaction that waits in sqlx's queue, until the guard is dropped. If the pool is full, an idle
    /// connection is returned to it.
    pub(super) fn register_waiter(self: &Arc<Self>, full: bool) -> WaitGuard {
        let mut state = self.state();
        state.waiting_transactions += 1;
        let idle = if full { state.pop(None).or_else(|| state.pop_any()) } else { None };
        drop(state);
        self.return_to_pool(idle);
        WaitGuard(Arc::clone(self))
    }

    /// Returns all connections to the pool, and those that are checked in later.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let (idle, readers) = (mem::take(&mut state.by_runtime), mem::take(&mut state.waiting_readers));
        drop(state);
        drop(readers);
        self.return_to_pool(idle.into_values().flatten());
    }

    /// Closes all idle connections, here and in sqlx's pool: their server has stopped responding or has become a
    /// standby, so the next requests would fail on them.
    pub(super) fn close_idle(&self) {
        let idle = mem::take(&mut self.state().by_runtime);
        let _runtime = self.runtime.enter();
        for mut connection in idle.into_values().flatten() {
            connection.broken = true;
            drop(connection);
        }
        while let Some(mut connection) = self.connections.try_acquire() {
            connection.close_on_drop();
        }
    }

    fn check_in(&self, mut connection: IdleConnection) {
        let mut state = self.state();
        if state.closed || state.waiting_transactions > 0 || connection.checked_out_at.elapsed() > MAX_IDLE_AGE {
            drop(state);
            return self.return_to_pool(Some(connection));
        }
        while let Some(reader) = state.waiting_readers.pop_front() {
            match reader.send(connection) {
                Ok(()) => return,
                // The reader has got another connection or was cancelled.
                Err(returned) => connection = returned,
            }
        }
        state.by_runtime.entry(connection.runtime_id).or_default().push(connection);
    }

    /// Returns connections to the pool. sqlx spawns a task for that, which requires a runtime even if the caller has
    /// none.
    fn return_to_pool(&self, connections: impl IntoIterator<Item = IdleConnection>) {
        let _runtime = self.runtime.enter();
        connections.into_iter().for_each(drop);
    }

    fn checked_out(self: &Arc<Self>, connection: IdleConnection) -> CheckedOut {
        CheckedOut { connection, idle_connections: Arc::clone(self) }
    }

    fn runtime_id(&self) -> Option<Id> {
        Some(Handle::current().id()).filter(|id| *id != self.runtime.id())
    }

    /// Ignores poisoning: no critical section can panic halfway, so the state is consistent.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for IdleConnections {
    fn drop(&mut self) {
        self.close();
    }
}

/// A connection in use. If it isn't checked in, for example because the caller was cancelled, it is returned to sqlx's
/// pool or closed.
#[derive(Debug)]
pub(super) struct CheckedOut {
    connection: IdleConnection,
    idle_connections: Arc<IdleConnections>,
}

impl CheckedOut {
    /// Closes the connection, and all idle ones.
    pub(super) fn close(mut self) {
        self.connection.broken = true;
        self.idle_connections.close_idle();
    }

    /// Makes the connection available for reuse. Call it only after a statement has completed.
    pub(super) fn check_in(self) {
        self.idle_connections.check_in(self.connection);
    }
}

impl Deref for CheckedOut {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection.connection
    }
}

impl DerefMut for CheckedOut {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection.connection
    }
}

/// A transaction waiting in sqlx's queue.
#[derive(Debug)]
pub(super) struct WaitGuard(Arc<IdleConnections>);

impl Drop for WaitGuard {
    fn drop(&mut self) {
        self.0.state().waiting_transactions -= 1;
    }
}
