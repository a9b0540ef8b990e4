//! Connections between two single statements.
//!
//! sqlx asks the server for a sign of life whenever a connection comes back to its pool: one more round trip a
//! statement. After a statement that ran to its end there is nothing to find out, so the connection is kept here for the
//! next one. Whoever waits for a transaction goes first: then it goes back to sqlx's pool, which is fair to all.

use std::{
    collections::VecDeque,
    mem,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{PgConnection, Postgres, pool::PoolConnection};
use tokio::{runtime::Handle, sync::oneshot};

/// How long a connection stays away from sqlx's pool, which knows how old it is and replaces it in time.
const AWAY: Duration = Duration::from_secs(60);

/// The spare connections of a pool.
#[derive(Debug)]
pub(super) struct Spares {
    state: Mutex<State>,
    /// What gives a connection back runs as a task, and this may happen where no runtime is.
    runtime: Handle,
}

#[derive(Debug, Default)]
struct State {
    spare: Vec<Held>,
    /// Readers who wait.
    readers: VecDeque<oneshot::Sender<Result<Held, sqlx::Error>>>,
    /// How many wait in sqlx's own line.
    in_line: usize,
    closed: bool,
}

#[derive(Debug)]
struct Held {
    connection: PoolConnection<Postgres>,
    /// Since when sqlx's pool hasn't seen it.
    since: Instant,
}

impl Spares {
    pub(super) fn new(runtime: Handle) -> Self {
        Self { state: Mutex::default(), runtime }
    }

    /// One that is here.
    pub(super) fn take(self: &Arc<Self>) -> Option<Taken> {
        let held = self.state().spare.pop()?;
        Some(Taken { held, spares: Arc::clone(self) })
    }

    /// One that sqlx's pool has just given.
    pub(super) fn taken(self: &Arc<Self>, connection: PoolConnection<Postgres>) -> Taken {
        Taken { held: Held { connection, since: Instant::now() }, spares: Arc::clone(self) }
    }

    /// The next one that anybody is done with, or that is added.
    pub(super) async fn next(self: &Arc<Self>) -> Result<Taken, sqlx::Error> {
        let receiver = {
            let mut state = self.state();
            // Since the caller looked, one may have come.
            if let Some(held) = state.spare.pop() {
                return Ok(Taken { held, spares: Arc::clone(self) });
            }
            let (sender, receiver) = oneshot::channel();
            // Once closed, it is dropped here, and the reader learns it below.
            if !state.closed {
                state.readers.push_back(sender);
            }
            receiver
        };
        let held = receiver.await.map_err(|_| sqlx::Error::PoolClosed)??;
        Ok(Taken { held, spares: Arc::clone(self) })
    }

    /// One that sqlx's pool has given for a reader who waits, or why it couldn't.
    pub(super) fn add(self: &Arc<Self>, acquired: Result<PoolConnection<Postgres>, sqlx::Error>) {
        match acquired {
            Ok(connection) => self.taken(connection).keep(),
            Err(error) => {
                let reader = self.state().readers.pop_front();
                // Without, nobody waits for it any more.
                if let Some(reader) = reader {
                    let _ = reader.send(Err(error));
                }
            }
        }
    }

    /// Says that somebody waits in sqlx's own line, for as long as the result lives. One spare connection goes there.
    pub(super) fn stand_in_line(self: &Arc<Self>) -> InLine {
        let mut state = self.state();
        state.in_line += 1;
        let spare = state.spare.pop();
        drop(state);
        self.give_back(spare);
        InLine(Arc::clone(self))
    }

    /// Everything goes back, and nothing is kept from now on.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let (spare, readers) = (mem::take(&mut state.spare), mem::take(&mut state.readers));
        drop(state);
        drop(readers);
        self.give_back(spare);
    }

    fn keep(&self, mut held: Held) {
        let mut state = self.state();
        if state.closed || state.in_line > 0 || held.since.elapsed() > AWAY {
            drop(state);
            return self.give_back(Some(held));
        }
        while let Some(reader) = state.readers.pop_front() {
            match reader.send(Ok(held)) {
                Ok(()) => return,
                // Whoever it was has found another, or has gone.
                Err(Ok(returned)) => held = returned,
                Err(Err(_)) => return,
            }
        }
        state.spare.push(held);
    }

    fn give_back(&self, held: impl IntoIterator<Item = Held>) {
        let _runtime = self.runtime.enter();
        held.into_iter().for_each(drop);
    }

    /// Nothing in here can fail half-way, so what a panic has left is whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        self.close();
    }
}

/// A connection in use. Unless it is kept, it goes back to sqlx's pool, which looks whether it still lives: so does that
/// of a caller who was cancelled.
#[derive(Debug)]
pub(super) struct Taken {
    held: Held,
    spares: Arc<Spares>,
}

impl Taken {
    /// A statement has run to its end on it.
    pub(super) fn keep(self) {
        self.spares.keep(self.held);
    }
}

impl Deref for Taken {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.held.connection
    }
}

impl DerefMut for Taken {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.held.connection
    }
}

/// Somebody waits in sqlx's line.
#[derive(Debug)]
pub(super) struct InLine(Arc<Spares>);

impl Drop for InLine {
    fn drop(&mut self) {
        self.0.state().in_line -= 1;
    }
}
