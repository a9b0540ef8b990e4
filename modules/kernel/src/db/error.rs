//! What can go wrong between here and PostgreSQL.

use std::time::Duration;

use super::MigrateError;

/// A statement or a transaction failed.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// Nobody answers, or there is no connection to be had in time. Trying again later may help.
    #[error("the database is unavailable")]
    Unavailable(#[source] sqlx::Error),
    /// The database refused. Trying again won't help.
    #[error("the database refused a statement")]
    Query(#[source] sqlx::Error),
    /// The schema isn't the one this program was built for.
    #[error("the database schema isn't current: run `tenantry migrate run`")]
    SchemaNotCurrent,
    /// The transaction was lost: an earlier statement in it had failed, and that failure went unnoticed.
    #[error("the transaction can't be committed: a statement in it had failed")]
    Aborted,
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        if is_unavailable(&error) { Self::Unavailable(error) } else { Self::Query(error) }
    }
}

/// The SQLSTATE of an error that the server sent.
pub(super) fn sqlstate(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(Into::into)
}

/// Whether the connection, rather than the statement, is at fault.
/// SQLSTATE classes 08 (connection), 53 (resources), 57P (operator intervention):
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
pub(super) fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        _ => sqlstate(error).is_some_and(|code| ["08", "53", "57P"].iter().any(|class| code.starts_with(class))),
    }
}

/// The database couldn't be opened at start. Every message is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No connection within the bounded wait.
    #[error("the database at {address} can't be reached (waited {} s): {reason}", waited.as_secs())]
    Unreachable {
        /// Host and port, or the socket's folder; never the user or the password.
        address: String,
        /// How long was tried.
        waited: Duration,
        /// What the last try said.
        reason: String,
    },
    /// The server is too old.
    #[error("the database server is PostgreSQL {found}, and {} or newer is needed", super::driver::OLDEST_MAJOR)]
    TooOld {
        /// Its version.
        found: String,
    },
    /// The server turned the login away.
    #[error("the database at {address} refused the login: {reason}")]
    Refused {
        /// Host and port, or the socket's folder.
        address: String,
        /// The server's words.
        reason: String,
    },
    /// Production, and row-level security wouldn't hold everywhere.
    #[error(
        "DATABASE_URL logs in as a superuser, which row-level security doesn't bind: in production give the \
         application a login of its own, and put the owner's into MIGRATION_DATABASE_URL"
    )]
    Superuser,
    /// The schema isn't the one this program was built for.
    #[error("the database schema isn't current ({detail}): run `tenantry migrate run`")]
    SchemaNotCurrent {
        /// What differs.
        detail: String,
    },
    /// The migrations failed.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The embedded server didn't start.
    #[cfg(feature = "embedded")]
    #[error(transparent)]
    Embedded(#[from] embedded_postgres::Error),
    /// Anything else.
    #[error("the database couldn't be opened: {0}")]
    Other(#[source] sqlx::Error),
}
