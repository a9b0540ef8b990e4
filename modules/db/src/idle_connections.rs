//! Keeps connections between two single-statement reads.
//!
//! When a connection is returned to sqlx's pool, sqlx pings the server, which costs a round trip per statement. After
//! a completed statement the ping is unnecessary, so the connection is kept here for the next read.
//!
//! If possible, a connection is reused on the runtime it was opened on. Each worker of the web server has its own
//! runtime, and I/O on a connection of another runtime must wake two threads. A connection dies with its runtime. One of a
//! worker's runtime is therefore never used for a transaction, which would be interrupted; a read is simply retried.

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

/// When the longest-waiting reader has waited this long, it gets the next connection, even if other readers wait on that
/// connection's runtime.
const MAX_SAME_RUNTIME_PREFERENCE: Duration = Duration::from_millis(5);
/// How long a connection may be kept away from sqlx's pool, which replaces old connections.
const MAX_TIME_OUTSIDE_POOL: Duration = Duration::from_secs(600);

/// The idle connections of a pool.
#[derive(Debug)]
pub(super) struct IdleConnections {
    state: Mutex<State>,
    sqlx_pool: PgPool,
    /// The runtime on which transactions' connections are opened.
    runtime: Handle,
}

#[derive(Debug, Default)]
struct State {
    /// By the runtime on which they were opened.
    by_runtime: HashMap<Option<Id>, Vec<ReaderConnection>>,
    /// Readers waiting for a connection, the longest first.
    waiting_readers: VecDeque<WaitingReader>,
    /// Number of transactions waiting in sqlx's queue.
    waiting_transactions: usize,
    closed: bool,
}

impl State {
    fn pop(&mut self, runtime_id: Option<Id>) -> Option<ReaderConnection> {
        self.by_runtime.get_mut(&runtime_id)?.pop()
    }

    fn pop_any(&mut self) -> Option<ReaderConnection> {
        self.by_runtime.values_mut().find_map(Vec::pop)
    }

    /// Returns the reader that gets a connection of this runtime: preferably one on the same runtime.
    fn pop_reader(&mut self, runtime_id: Option<Id>, now: Instant) -> Option<WaitingReader> {
        let longest = self.waiting_readers.front()?;
        let is_same = |reader: &WaitingReader| reader.runtime_id == runtime_id;
        let preferred = self.waiting_readers.iter().position(is_same);
        let index = preferred.filter(|_| now.duration_since(longest.since) < MAX_SAME_RUNTIME_PREFERENCE).unwrap_or(0);
        self.waiting_readers.remove(index)
    }
}

#[derive(Debug)]
struct WaitingReader {
    runtime_id: Option<Id>,
    since: Instant,
    sender: oneshot::Sender<ReaderConnection>,
}

/// A connection checked out of sqlx's pool. Dropping it returns it, unless it is bound to a worker's runtime: then it
/// is closed.
#[derive(Debug)]
struct ReaderConnection {
    inner: PoolConnection<Postgres>,
    left_pool_at: Instant,
    /// The runtime it was opened on; `None`: the one of the transactions.
    runtime_id: Option<Id>,
    /// Whether it is closed when dropped, although it isn't bound to a worker's runtime.
    close_on_drop: bool,
}

impl ReaderConnection {
    fn new(connection: PoolConnection<Postgres>, runtime_id: Option<Id>) -> Self {
        Self { inner: connection, left_pool_at: Instant::now(), runtime_id, close_on_drop: false }
    }
}

impl Drop for ReaderConnection {
    fn drop(&mut self) {
        if self.runtime_id.is_some() || self.close_on_drop {
            self.inner.close_on_drop();
        } else {
            // sqlx itself would wait without limit. At the deadline, the connection is closed.
            let returned = self.inner.return_to_pool();
            Handle::current().spawn(async { timeout(RETURN_DEADLINE, returned).await });
        }
    }
}

impl IdleConnections {
    pub(super) fn new(sqlx_pool: PgPool, runtime: Handle) -> Self {
        Self { state: Mutex::default(), sqlx_pool, runtime }
    }

    /// The runtime on which transactions' connections are opened.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Checks out a connection opened on the caller's runtime.
    pub(super) fn check_out(self: &Arc<Self>) -> Option<CheckedOut> {
        let runtime_id = self.caller_runtime_id();
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
        self.checked_out(ReaderConnection::new(connection, None))
    }

    /// Wraps a connection just opened on the caller's runtime.
    pub(super) fn adopt_new(self: &Arc<Self>, connection: PoolConnection<Postgres>) -> CheckedOut {
        self.checked_out(ReaderConnection::new(connection, self.caller_runtime_id()))
    }

    /// Waits for a connection released by another reader. Waits forever if there are no other readers.
    pub(super) async fn wait_for_release(self: &Arc<Self>) -> Result<CheckedOut, sqlx::Error> {
        let receiver = {
            let mut state = self.state();
            // One may have been released since the caller checked.
            if let Some(connection) = state.pop_any() {
                return Ok(self.checked_out(connection));
            }
            let (sender, receiver) = oneshot::channel();
            // If closed, the sender is dropped here and the receiver below fails.
            if !state.closed {
                let (runtime_id, since) = (self.caller_runtime_id(), Instant::now());
                state.waiting_readers.push_back(WaitingReader { runtime_id, since, sender });
            }
            receiver
        };
        receiver.await.map(|connection| self.checked_out(connection)).map_err(|_| sqlx::Error::PoolClosed)
    }

    /// Registers a transaction that waits in sqlx's queue, until the guard is dropped. If the pool is full, an idle
    /// connection is released.
    pub(super) fn register_waiting_transaction(self: &Arc<Self>, full: bool) -> WaitingTransaction {
        let mut state = self.state();
        state.waiting_transactions += 1;
        let idle = if full { state.pop(None).or_else(|| state.pop_any()) } else { None };
        drop(state);
        self.release(idle);
        WaitingTransaction(Arc::clone(self))
    }

    /// Releases all connections, and those that are checked in later.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let (idle, readers) = (mem::take(&mut state.by_runtime), mem::take(&mut state.waiting_readers));
        drop(state);
        drop(readers);
        self.release(idle.into_values().flatten());
    }

    /// Closes all idle connections, here and in sqlx's pool: their server has stopped responding or has become a
    /// standby, so the next requests would fail on them.
    pub(super) fn close_idle(&self) {
        let idle = mem::take(&mut self.state().by_runtime);
        let _runtime = self.runtime.enter();
        for mut connection in idle.into_values().flatten() {
            connection.close_on_drop = true;
            drop(connection);
        }
        while let Some(mut connection) = self.sqlx_pool.try_acquire() {
            connection.close_on_drop();
        }
    }

    /// Passes a connection that is idle in sqlx's pool to a waiting reader, if there is one.
    pub(super) fn serve_reader(&self) {
        let is_awaited = !self.state().waiting_readers.is_empty();
        if is_awaited && let Some(connection) = self.sqlx_pool.try_acquire() {
            self.check_in(ReaderConnection::new(connection, None));
        }
    }

    fn check_in(&self, mut connection: ReaderConnection) {
        let mut state = self.state();
        if state.closed || state.waiting_transactions > 0 || connection.left_pool_at.elapsed() > MAX_TIME_OUTSIDE_POOL {
            drop(state);
            return self.release(Some(connection));
        }
        while let Some(reader) = state.pop_reader(connection.runtime_id, Instant::now()) {
            match reader.sender.send(connection) {
                Ok(()) => return,
                // The reader has got another connection or was cancelled.
                Err(returned) => connection = returned,
            }
        }
        state.by_runtime.entry(connection.runtime_id).or_default().push(connection);
    }

    /// Returns the connections to sqlx's pool, or closes those of worker runtimes. sqlx spawns a task for that, which
    /// requires a runtime even if the caller has none.
    fn release(&self, connections: impl IntoIterator<Item = ReaderConnection>) {
        let _runtime = self.runtime.enter();
        connections.into_iter().for_each(drop);
    }

    fn checked_out(self: &Arc<Self>, connection: ReaderConnection) -> CheckedOut {
        CheckedOut { connection, idle_connections: Arc::clone(self) }
    }

    /// Returns the id of the caller's runtime, or `None` if it is the one of the transactions.
    fn caller_runtime_id(&self) -> Option<Id> {
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
    connection: ReaderConnection,
    idle_connections: Arc<IdleConnections>,
}

impl CheckedOut {
    /// Closes the connection, and all idle ones.
    pub(super) fn close(mut self) {
        self.connection.close_on_drop = true;
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
        &self.connection.inner
    }
}

impl DerefMut for CheckedOut {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection.inner
    }
}

/// A transaction waiting in sqlx's queue.
#[derive(Debug)]
pub(super) struct WaitingTransaction(Arc<IdleConnections>);

impl Drop for WaitingTransaction {
    fn drop(&mut self) {
        self.0.state().waiting_transactions -= 1;
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn runtime() -> Runtime {
        Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn reader_on_runtime_of_connection_is_preferred_for_limited_time() {
        let (one, other) = (runtime(), runtime());
        let ids = [&one, &other].map(|runtime| Some(runtime.handle().id()));
        let since = Instant::now();
        for (waited, expected) in [(Duration::ZERO, ids[1]), (MAX_SAME_RUNTIME_PREFERENCE, ids[0])] {
            let reader = |runtime_id| WaitingReader { runtime_id, since, sender: oneshot::channel().0 };
            let mut state = State { waiting_readers: ids.map(reader).into(), ..State::default() };
            assert_eq!(state.pop_reader(ids[1], since + waited).unwrap().runtime_id, expected, "{waited:?}");
            assert_eq!(state.waiting_readers.len(), 1);
        }
    }
}
