//! How long the database may take. The server enforces the session settings, and the program the deadlines: a server
//! that has stopped, or a network that drops packets, reports no error.

use std::{io, time::Duration};

/// Maximum duration of a statement of the application.
pub(super) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum wait of a statement for a lock. A stuck session blocks only the statements that need its locks, each for
/// this long.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(3);
/// Maximum pause between two statements of a transaction, which holds its locks meanwhile.
pub(super) const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(15);

/// How long the program waits for a statement's result. Later than the server's own timeout, whose error says more.
pub(super) const STATEMENT_DEADLINE: Duration = Duration::from_secs(6);
/// How long the program waits for a commit.
pub(super) const COMMIT_DEADLINE: Duration = Duration::from_secs(6);
/// How long the program waits for BEGIN, which only sets the scope and compares an admission.
pub(super) const BEGIN_DEADLINE: Duration = Duration::from_secs(3);
/// How long a readiness check may take, including the wait for a connection.
pub(super) const READINESS_DEADLINE: Duration = Duration::from_secs(3);
/// How long a rollback and the check of a returned connection may take. Longer than a statement: the server begins the
/// rollback of a cancelled transaction only when its statement has ended, and the tenant's share of the pool counts it
/// until then.
pub(super) const RETURN_DEADLINE: Duration = Duration::from_secs(6);
const _: () = assert!(RETURN_DEADLINE.as_secs() > STATEMENT_TIMEOUT.as_secs());

/// Returns the error of work that exceeded a deadline.
pub(super) fn no_response(deadline: Duration) -> sqlx::Error {
    let message = format!("the database server didn't respond within {} s", deadline.as_secs());
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, message))
}
