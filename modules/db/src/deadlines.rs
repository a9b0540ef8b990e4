//! How long the database may take. The server enforces the session settings, and the program the deadlines: a server
//! that has stopped, or a network that drops packets, reports no error.

use std::time::Duration;

/// Maximum duration of a statement of the application.
pub(super) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum wait of a statement for a lock. A stuck session blocks only the statements that need its locks, each for
/// this long.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(3);
/// Maximum pause between two statements of a transaction, which holds its locks meanwhile.
pub(super) const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(15);
