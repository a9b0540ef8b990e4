//! What can go wrong between here and PostgreSQL.

use std::time::Duration;

use super::roles::{APP_ROLE, SYSTEM_ROLE};

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

impl DbError {
    /// Whether it was refused for this constraint's sake.
    pub fn violates(&self, constraint: &str) -> bool {
        matches!(self, Self::Query(sqlx::Error::Database(error)) if error.constraint() == Some(constraint))
    }
}

/// SQLSTATE: the login or role may not.
pub(super) const INSUFFICIENT_PRIVILEGE: &str = "42501";
/// SQLSTATE: there is no such table.
pub(super) const UNDEFINED_TABLE: &str = "42P01";

/// How PgBouncer turns away a connection whose settings it can't pass on:
/// <https://www.pgbouncer.org/config.html#ignore_startup_parameters>
pub(super) fn is_pooler_rejection(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|words| words.message().contains("unsupported startup parameter"))
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

/// Settings were given when connecting, and aren't in force: the role that row-level security binds isn't taken, and a
/// back-fill that forgot its own changes nothing. In a pooler's transaction mode the migrations' lock would be in the
/// hands of whoever uses the connection next.
#[derive(Debug, thiserror::Error)]
#[error(
    "a connection pooler answers at {address} and doesn't pass on a connection's settings, which tenantry relies on: put \
     the server's own address into DATABASE_URL or MIGRATION_DATABASE_URL; the program pools its connections itself"
)]
pub struct PoolerDetected {
    /// Host and port, or the socket's folder.
    pub address: String,
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
    #[error("the database server is PostgreSQL {found}, and {} or newer is needed", super::server::MIN_MAJOR_VERSION)]
    TooOld {
        /// Its version.
        found: String,
    },
    /// The server turned the login away.
    #[error("the database at {address} refused the login: {reason}")]
    LoginRejected {
        /// Host and port, or the socket's folder.
        address: String,
        /// The server's words.
        reason: String,
    },
    /// Not the server itself.
    #[error(transparent)]
    PoolerDetected(#[from] PoolerDetected),
    /// Production, and row-level security wouldn't hold everywhere.
    #[error(
        "DATABASE_URL logs in as a superuser, which row-level security doesn't bind: in production give the \
         application a login of its own, and put the owner's into MIGRATION_DATABASE_URL"
    )]
    Superuser,
    /// Somebody gave the application's role what it mustn't have.
    #[error(
        "row-level security doesn't bind the role {APP_ROLE}: it is a superuser, has BYPASSRLS, owns a table or is a \
         member of {SYSTEM_ROLE}; take that away"
    )]
    RlsBypassed,
    /// The schema isn't the one this program was built for.
    #[error("the database schema isn't current ({detail}): run `tenantry migrate run`")]
    SchemaNotCurrent {
        /// What differs.
        detail: String,
    },
    /// The migrations failed.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The embedded database was written by a major version that isn't there.
    #[cfg(feature = "embedded")]
    #[error("{0}")]
    MajorVersionMismatch(String),
    /// The embedded server didn't start.
    #[cfg(feature = "embedded")]
    #[error("{_0}{}", settings(_0))]
    Embedded(embedded_postgres::Error),
    /// Anything else.
    #[error("the database couldn't be opened: {0}")]
    Other(#[source] sqlx::Error),
}

/// The choice that only whoever runs the program can make is explained in the program's words.
#[cfg(feature = "embedded")]
impl From<embedded_postgres::Error> for OpenError {
    fn from(error: embedded_postgres::Error) -> Self {
        match &error {
            embedded_postgres::Error::MajorVersionMismatch { dir: folder, data_major: data, installations: found, configured } => {
                Self::MajorVersionMismatch(super::embedded_admin::version_mismatch_message(folder, *data, found, *configured))
            }
            _ => Self::Embedded(error),
        }
    }
}

/// What the embedded server advises, in the names of this program's settings, which it doesn't know.
#[cfg(feature = "embedded")]
fn settings(error: &embedded_postgres::Error) -> &'static str {
    use embedded_postgres::Error::{InvalidArchive, NotInstalled, DownloadFailed, UnpackFailed, DownloadVersionMismatch, UnsafeCacheDir};
    match error {
        NotInstalled => {
            " (settings: POSTGRES_BIN_DIR, DB_DRIVER=postgres with DATABASE_URL, POSTGRES_DOWNLOAD=true)"
        }
        DownloadFailed { .. } | InvalidArchive { .. } => {
            " (settings: POSTGRES_BIN_DIR, DB_DRIVER=postgres with DATABASE_URL)"
        }
        UnpackFailed { .. } | UnsafeCacheDir { .. } => " (setting: POSTGRES_CACHE_DIR)",
        DownloadVersionMismatch { .. } => " (setting: POSTGRES_DOWNLOAD_VERSION)",
        _ => "",
    }
}

/// A migration failed, or can't be begun. Every message is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The owner's login doesn't work.
    #[error("migrations can't connect to the database at {address}: {source}")]
    Connect {
        /// Host and port, or the socket's folder.
        address: String,
        /// The last word.
        source: sqlx::Error,
    },
    /// Not the server itself.
    #[error(transparent)]
    PoolerDetected(#[from] PoolerDetected),
    /// Another run holds the lock.
    #[error("another migration has been running for over {} s; wait for it and try again", .waited.as_secs())]
    Locked {
        /// How long it was waited for.
        waited: Duration,
    },
    /// Another login has migrated this database.
    #[error("the login for migrations isn't the owner's: put the owner's into MIGRATION_DATABASE_URL")]
    NotOwner,
    /// The owner may neither make the roles nor find them made.
    #[error(
        "the login for migrations may not set up the roles {APP_ROLE} and {SYSTEM_ROLE} ({reason}): give it CREATEROLE, \
         or have an administrator create both and grant them to the login `{login}`"
    )]
    Roles {
        /// The server's words.
        reason: String,
        /// Whom the roles are for.
        login: String,
    },
    /// The database and this program disagree on the past.
    #[error("{0}")]
    History(String),
    /// A migration's SQL failed; it was rolled back whole.
    #[error("migration {version:04} failed and was rolled back: {source}")]
    Failed {
        /// Its number.
        version: i64,
        /// Why.
        source: sqlx::Error,
    },
    /// Any other statement of the runner failed.
    #[error("the migrations couldn't be run: {0}")]
    Database(#[from] sqlx::Error),
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    use embedded_postgres::Error::{
        self, InvalidArchive, DownloadCancelled, NotInstalled, DownloadFailed, UnpackFailed, DownloadVersionMismatch, UnsafeCacheDir,
    };

    use super::*;

    #[test]
    fn error_names_config_key() {
        let (folder, url, reason) = (|| "/srv".into(), || "https://example.com".into(), || "it was".into());
        let without_download = ["POSTGRES_BIN_DIR", "DB_DRIVER", "DATABASE_URL"];
        let all = [&without_download[..], &["POSTGRES_DOWNLOAD"]].concat();
        let cases: [(Error, &[&str]); 7] = [
            (NotInstalled, &all),
            (DownloadFailed { url: url(), reason: reason() }, &without_download),
            (InvalidArchive { url: url(), reason: reason() }, &without_download),
            (UnpackFailed { dir: folder(), reason: reason() }, &["POSTGRES_CACHE_DIR"]),
            (UnsafeCacheDir { dir: folder() }, &["POSTGRES_CACHE_DIR"]),
            (DownloadVersionMismatch { dir: folder(), data_major: 15, offered: "17.1.0".into() }, &["POSTGRES_DOWNLOAD_VERSION"]),
            (DownloadCancelled, &[]),
        ];
        for (error, settings) in cases {
            let words = OpenError::from(error).to_string();
            let named = words.split(|c: char| !c.is_ascii_uppercase() && c != '_').filter(|word| word.contains('_'));
            assert_eq!(named.collect::<Vec<_>>(), settings, "{words}");
        }
    }
}
