//! Closes connections whose client is too slow.
//!
//! actix limits the time of the first request head and of idle connections. It waits without limit
//! for the rest of a later request head or of a body that no handler reads. The same applies to a client that doesn't read
//! its response.

use std::{
    any::Any,
    cell::Cell,
    net::{Shutdown, TcpStream},
    os::fd::AsFd,
    rc::Rc,
    time::Duration,
};

use actix_web::rt;
use socket2::SockRef;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};

/// The time until which the client must have sent the next request head. Dropped with the connection.
pub(super) struct ConnectionDeadline {
    deadline: Rc<Cell<Option<Instant>>>,
    timeout: Duration,
    watcher: JoinHandle<()>,
}

impl ConnectionDeadline {
    /// Watches a connection that actix has accepted. The first request head has `first_head_timeout` in addition.
    ///
    /// Without a descriptor for its deadline, which `ConnectionLimit` reserves, the connection is shut down at once. Returns
    /// `None` then.
    pub(super) fn watch(io: &dyn Any, first_head_timeout: Duration, timeout: Duration) -> Option<Self> {
        let Some(stream) = io.downcast_ref::<rt::net::TcpStream>() else {
            tracing::error!("a connection has no deadline, because it isn't a TCP connection");
            return None;
        };
        let socket = match stream.as_fd().try_clone_to_owned() {
            Ok(socket) => TcpStream::from(socket),
            Err(error) => {
                tracing::warn!("closed a connection, because its deadline needs a descriptor: {error}");
                // Fails if the client has closed the connection already.
                let _ = SockRef::from(stream).shutdown(Shutdown::Both);
                return None;
            }
        };
        let deadline = Rc::new(Cell::new(Some(Instant::now() + first_head_timeout + timeout)));
        let watcher = rt::spawn(shut_down_at(socket, deadline.clone(), timeout));
        Some(Self { deadline, timeout, watcher })
    }

    /// Suspends the deadline while a request is handled, which has its own time limits.
    pub(super) fn suspend(&self) -> SuspendedDeadline {
        self.deadline.set(None);
        SuspendedDeadline { deadline: self.deadline.clone(), timeout: self.timeout }
    }
}

impl Drop for ConnectionDeadline {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

/// Sets a new deadline when it is dropped.
pub(super) struct SuspendedDeadline {
    deadline: Rc<Cell<Option<Instant>>>,
    timeout: Duration,
}

impl Drop for SuspendedDeadline {
    fn drop(&mut self) {
        self.deadline.set(Some(Instant::now() + self.timeout));
    }
}

/// Shuts the socket down after the deadline. actix then sees the end of the connection. While the deadline is suspended,
/// checks again after each `timeout`.
async fn shut_down_at(socket: TcpStream, deadline: Rc<Cell<Option<Instant>>>, timeout: Duration) {
    loop {
        match deadline.get() {
            None => sleep(timeout).await,
            Some(time) if time > Instant::now() => sleep_until(time).await,
            Some(_) => break,
        }
    }
    // Fails if the client has closed the connection already.
    let _ = socket.shutdown(Shutdown::Both);
}
