//! Connections between two single statements.
//!
//! sqlx asks the server for a sign of life whenever a connection comes back to its pool: one more round trip a
//! statement. After a statement that ran to its end there is nothing to find out, so the connection is kept here for the
//! next one.
//!
//! And it is kept for the runtime that it was opened on, where there is a choice: each of the web server's workers has
//! one of its own, and an answer that arrives at another's must wake two threads. Such a connection ends with its
//! runtime, so it is never lent to a transaction, which could be cut short by that; a read is just made once more.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{PgConnection, Postgres, pool::PoolConnection};
use tokio::{
    runtime::{Handle, Id},
    sync::oneshot,
};

/// How long a connection is kept from sqlx's pool, which replaces those that are old.
const MAX_IDLE_AGE: Duration = Duration::from_secs(600);

/// The spare connections of a pool.
#[derive(Debug)]
pub(super) struct IdleConnections {
    state: Mutex<State>,
    /// The one that transactions' connections are opened on.
    runtime: Handle,
}

#[derive(Debug, Default)]
struct State {
    /// By the runtime they were opened on.
    spare: HashMap<Option<Id>, Vec<IdleConnection>>,
    /// Who waits to read.
    readers: VecDeque<oneshot::Sender<IdleConnection>>,
    /// How many transactions wait in sqlx's own line.
    in_line: usize,
    closed: bool,
}

impl State {
    fn pop(&mut self, home: Option<Id>) -> Option<IdleConnection> {
        self.spare.get_mut(&home)?.pop()
    }

    fn pop_any(&mut self) -> Option<IdleConnection> {
        self.spare.values_mut().find_map(Vec::pop)
    }
}

/// A connection that is away from sqlx's pool. It goes back there when dropped, unless it is bound to a runtime that
/// transactions don't run on: then it is closed.
#[derive(Debug)]
struct IdleConnection {
    connection: PoolConnection<Postgres>,
    since: Instant,
    /// `None`: the one that transactions' connections are opened on.
    home: Option<Id>,
}

impl Drop for IdleConnection {
    fn drop(&mut self) {
        if self.home.is_some() {
            self.connection.close_on_drop();
        }
    }
}

impl IdleConnections {
    pub(super) fn new(runtime: Handle) -> Self {
        Self { state: Mutex::default(), runtime }
    }

    /// One that was opened where the caller runs.
    pub(super) fn check_out(self: &Arc<Self>) -> Option<CheckedOut> {
        let home = self.home();
        let held = self.state().pop(home);
        held.map(|held| self.taken(held))
    }

    /// One that was opened anywhere.
    pub(super) fn check_out_any(self: &Arc<Self>) -> Option<CheckedOut> {
        let held = self.state().pop_any();
        held.map(|held| self.taken(held))
    }

    /// One that was idle in sqlx's pool.
    pub(super) fn adopt_idle(self: &Arc<Self>, connection: PoolConnection<Postgres>) -> CheckedOut {
        self.taken(IdleConnection { connection, since: Instant::now(), home: None })
    }

    /// One that was opened just now, where the caller runs.
    pub(super) fn adopt_new(self: &Arc<Self>, connection: PoolConnection<Postgres>) -> CheckedOut {
        self.taken(IdleConnection { connection, since: Instant::now(), home: self.home() })
    }

    /// The next one that another reader is done with. It never comes where there are no others.
    pub(super) async fn next(self: &Arc<Self>) -> Result<CheckedOut, sqlx::Error> {
        let receiver = {
            let mut state = self.state();
            // Since the caller looked, one may have come.
            if let Some(held) = state.pop_any() {
                return Ok(self.taken(held));
            }
            let (sender, receiver) = oneshot::channel();
            // Once closed, it is dropped here, and the reader learns it below.
            if !state.closed {
                state.readers.push_back(sender);
            }
            receiver
        };
        receiver.await.map(|held| self.taken(held)).map_err(|_| sqlx::Error::PoolClosed)
    }

    /// Says that a transaction waits in sqlx's own line, for as long as the result lives. Where `full`, a spare
    /// connection makes room.
    pub(super) fn register_waiter(self: &Arc<Self>, full: bool) -> WaitGuard {
        let mut state = self.state();
        state.in_line += 1;
        let spare = if full { state.pop(None).or_else(|| state.pop_any()) } else { None };
        drop(state);
        self.give_back(spare);
        WaitGuard(Arc::clone(self))
    }

    /// Everything goes back, and nothing is kept from now on.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let (spare, readers) = (mem::take(&mut state.spare), mem::take(&mut state.readers));
        drop(state);
        drop(readers);
        self.give_back(spare.into_values().flatten());
    }

    fn check_in(&self, mut held: IdleConnection) {
        let mut state = self.state();
        if state.closed || state.in_line > 0 || held.since.elapsed() > MAX_IDLE_AGE {
            drop(state);
            return self.give_back(Some(held));
        }
        while let Some(reader) = state.readers.pop_front() {
            match reader.send(held) {
                Ok(()) => return,
                // Whoever it was has found another, or has gone.
                Err(returned) => held = returned,
            }
        }
        state.spare.entry(held.home).or_default().push(held);
    }

    /// What gives a connection back runs as a task, and this may happen where no runtime is.
    fn give_back(&self, held: impl IntoIterator<Item = IdleConnection>) {
        let _runtime = self.runtime.enter();
        held.into_iter().for_each(drop);
    }

    fn taken(self: &Arc<Self>, held: IdleConnection) -> CheckedOut {
        CheckedOut { held, idle_connections: Arc::clone(self) }
    }

    fn home(&self) -> Option<Id> {
        Some(Handle::current().id()).filter(|id| *id != self.runtime.id())
    }

    /// Nothing in here can fail half-way, so what a panic has left is whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for IdleConnections {
    fn drop(&mut self) {
        self.close();
    }
}

/// A connection in use. Unless it is kept, it is given up: so is that of a caller who was cancelled.
#[derive(Debug)]
pub(super) struct CheckedOut {
    held: IdleConnection,
    idle_connections: Arc<IdleConnections>,
}

impl CheckedOut {
    /// A statement has run to its end on it.
    pub(super) fn check_in(self) {
        self.idle_connections.check_in(self.held);
    }
}

impl Deref for CheckedOut {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.held.connection
    }
}

impl DerefMut for CheckedOut {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.held.connection
    }
}

/// A transaction waits in sqlx's line.
#[derive(Debug)]
pub(super) struct WaitGuard(Arc<IdleConnections>);

impl Drop for WaitGuard {
    fn drop(&mut self) {
        self.0.state().in_line -= 1;
    }
}
