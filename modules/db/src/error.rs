//! Errors of the database layer.

use std::time::Duration;

use kernel::PortError;
use sqlx::postgres::PgConnectOptions;

use super::{
    RoleNames, constants::MIN_MAJOR_VERSION, database_url::uses_socket, outcome::Outcome, sqlstate::is_outdated,
};

/// A statement or transaction failed.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The server didn't respond or can't do this now, or the pool had no connection in time. Retrying later may help.
    #[error("the database is unavailable")]
    Unavailable(#[source] sqlx::Error),
    /// The server rejected the statement. Retrying doesn't help.
    #[error("the database rejected a statement")]
    Query(#[source] sqlx::Error),
    /// The transactions of one tenant, or the system transactions with one reason, use their share of the pool.
    /// Retrying later may help.
    #[error("too many transactions of one tenant, or system transactions with one reason, are in progress")]
    TooManyTransactions,
    /// The schema doesn't match this program.
    #[error("the database schema is not current; run `tenantry migrate run`")]
    SchemaNotCurrent,
    /// The server is a standby, which rejects writes.
    #[error("the database server is a standby; connect to the primary, or promote the standby")]
    Standby,
    /// The admission of a read is outdated: the caller's membership, role or account, or the tenant's policies have
    /// changed. The request is decided again.
    #[error("the caller's permissions have changed; repeat the request")]
    AdmissionOutdated,
    /// The transaction was rolled back at commit because an earlier statement had failed unnoticed.
    #[error("the transaction was rolled back because an earlier statement in it had failed")]
    Aborted,
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        if is_outdated(&error) {
            return Self::AdmissionOutdated;
        }
        if Outcome::of(&error).is_temporary() { Self::Unavailable(error) } else { Self::Query(error) }
    }
}

impl From<DbError> for PortError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable(_)
            | DbError::TooManyTransactions
            | DbError::SchemaNotCurrent
            | DbError::Standby
            | DbError::AdmissionOutdated => Self::Unavailable(error.into()),
            DbError::Query(_) | DbError::Aborted => Self::Internal(error.into()),
        }
    }
}

impl DbError {
    /// Returns whether the error is a violation of this constraint.
    pub fn violates(&self, constraint: &str) -> bool {
        matches!(self, Self::Query(sqlx::Error::Database(error)) if error.constraint() == Some(constraint))
    }
}

/// Returns whether PgBouncer rejected the connection because of its settings:
/// <https://www.pgbouncer.org/config.html#ignore_startup_parameters>
pub(super) fn is_pooler_rejection(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.message().contains("unsupported startup parameter"))
}

/// Returns why TLS can't be established, if that is the error. Unlike an unavailable server, retrying doesn't help.
pub(super) fn tls_failure(error: &sqlx::Error, options: &PgConnectOptions) -> Option<String> {
    use std::io::ErrorKind::{InvalidData, NotFound};
    match error {
        sqlx::Error::Tls(reason) => Some(reason.to_string()),
        // rustls reports failed handshakes as invalid data.
        sqlx::Error::Io(reason) if reason.kind() == InvalidData => Some(reason.to_string()),
        // The URL may name files with certificates. A missing socket is not found, too.
        sqlx::Error::Io(reason) if reason.kind() == NotFound && !uses_socket(options) => {
            Some(format!("a certificate file in the URL can't be read ({reason})"))
        }
        _ => None,
    }
}

/// The settings of a connection aren't in effect, so the connection goes through a pooler.
///
/// Without the settings, the role bound by row-level security isn't set, and a backfill that forgets to set its role
/// silently changes nothing. In transaction pooling mode the migration lock would also belong to whichever client uses
/// the connection next.
#[derive(Debug, thiserror::Error)]
#[error(
    "the connection pooler at {address} doesn't forward connection settings, which tenantry requires; set DATABASE_URL \
     and MIGRATION_DATABASE_URL to the address of the server itself (tenantry pools its connections)"
)]
pub struct PoolerDetected {
    /// Host and port, or the socket directory.
    pub address: String,
}

/// Row-level security or what it depends on isn't as the migrations have left it, so tenants may not be isolated.
#[derive(Debug, thiserror::Error)]
#[error(
    "access to the database differs from what the migrations define: {differences}; as the owner, execute what is \
     missing and undo what is unexpected"
)]
pub struct AccessChanged {
    /// The differences, as SQL statements.
    pub differences: String,
}

/// The database couldn't be opened. Every message is one line and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No connection within the connect timeout.
    #[error("can't reach the database at {address} within {} s: {reason}", waited.as_secs())]
    Unreachable {
        /// Host and port, or the socket directory; never user or password.
        address: String,
        /// The connect timeout.
        waited: Duration,
        /// The last error.
        reason: String,
    },
    /// The server has no TLS, or its certificate isn't trusted.
    #[error(
        "no secure connection to the database at {address}: {reason}; enable TLS on the server with a certificate for \
         this host name, add its CA to this system or to the URL (sslrootcert=FILE), or set sslmode in the URL if the \
         network is trusted"
    )]
    Tls {
        /// Host and port.
        address: String,
        /// What is wrong with the server or its certificate.
        reason: String,
    },
    /// The server version is not supported.
    #[error("the database server is PostgreSQL {version}; version {} or newer is required", MIN_MAJOR_VERSION)]
    TooOld {
        /// Version of the server.
        version: String,
    },
    /// The server is a standby, or recovers from a backup.
    #[error("the database at {address} is a standby, which rejects writes; use the address of the primary")]
    Standby {
        /// Host and port, or the socket directory.
        address: String,
    },
    /// The database has an encoding that can't store all texts.
    #[error(
        "the encoding of the database at {address} is {encoding}, and UTF8 is required; create the database with \
         ENCODING 'UTF8' TEMPLATE template0"
    )]
    Encoding {
        /// Host and port, or the socket directory.
        address: String,
        /// PostgreSQL's name of the encoding.
        encoding: String,
    },
    /// The server rejected the login.
    #[error("the database at {address} rejected the login: {reason}")]
    LoginRejected {
        /// Host and port, or the socket directory.
        address: String,
        /// Message of the server.
        reason: String,
    },
    /// The connection goes through a pooler.
    #[error(transparent)]
    PoolerDetected(#[from] PoolerDetected),
    /// Production, and the application logs in as a superuser, which bypasses row-level security.
    #[error(
        "DATABASE_URL logs in as a superuser, which bypasses row-level security; in production create a separate login \
         for the application, and set MIGRATION_DATABASE_URL to the owner's"
    )]
    Superuser,
    /// The application role has privileges that bypass row-level security.
    #[error(
        "the role {} bypasses row-level security: it is a superuser, has BYPASSRLS, owns a table or is a member of {}; \
         revoke that",
        roles.app(),
        roles.system()
    )]
    RlsBypassed {
        /// The roles.
        roles: RoleNames,
    },
    /// Production, and every login of the server may connect to the database or create temporary tables in it.
    #[error("every login of the server may use the database; have its owner execute `{statement}`")]
    PublicDatabase {
        /// The statement that changes it.
        statement: String,
    },
    /// Row-level security or what it depends on was changed by hand.
    #[error(transparent)]
    AccessChanged(#[from] AccessChanged),
    /// The schema doesn't match this program.
    #[error("the database schema is not current ({detail}); {remedy}")]
    SchemaNotCurrent {
        /// The difference.
        detail: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A migration failed.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The data of the embedded database was written by a major version that isn't available.
    #[cfg(feature = "embedded")]
    #[error("{0}")]
    MajorVersionMismatch(String),
    /// The embedded server failed to start.
    #[cfg(feature = "embedded")]
    #[error("{_0}{}", setting_hint(_0))]
    Embedded(embedded_postgres::Error),
    /// Any other error.
    #[error("can't open the database: {0}")]
    Other(#[source] sqlx::Error),
}

/// Adds the names of this program's settings, which the embedded server doesn't know.
#[cfg(feature = "embedded")]
impl From<embedded_postgres::Error> for OpenError {
    fn from(error: embedded_postgres::Error) -> Self {
        match &error {
            embedded_postgres::Error::MajorVersionMismatch { dir, data_major, installations, configured } => {
                Self::MajorVersionMismatch(version_mismatch_message(dir, *data_major, installations, *configured))
            }
            _ => Self::Embedded(error),
        }
    }
}

/// Explains which PostgreSQL version wrote the data, which ones are installed, and what the operator can do.
#[cfg(feature = "embedded")]
fn version_mismatch_message(
    dir: &std::path::Path,
    data_major: u32,
    installations: &[embedded_postgres::Installation],
    configured: bool,
) -> String {
    let found: Vec<_> =
        installations.iter().map(|one| format!("{} ({})", one.major(), one.bin_dir().display())).collect();
    let (found_by, fix) = match configured {
        true => (
            "POSTGRES_BIN_DIR is that of",
            format!("unset POSTGRES_BIN_DIR, or set it to the directory of PostgreSQL {data_major}"),
        ),
        false => {
            ("this machine has", format!("install PostgreSQL {data_major}, or set POSTGRES_BIN_DIR to its directory"))
        }
    };
    // pg_restore can't read dumps of a newer version either, so only an upgrade is offered.
    let newer = installations.iter().map(embedded_postgres::Installation::major).find(|major| *major > data_major);
    let upgrade = newer.map(|newer| {
        format!(
            "; or upgrade the data to {newer}: run `tenantry db backup FILE` where {data_major} is installed, then \
             `tenantry db restore FILE` here with a new DATA_DIR"
        )
    });
    format!(
        "the data in {} was written by PostgreSQL {data_major}, and {found_by} {}, which can't read it; {fix} \
         (`apt install postgresql-{data_major}`){}",
        dir.display(),
        found.join(" and "),
        upgrade.unwrap_or_default()
    )
}

/// Returns the settings of this program that solve the problem.
#[cfg(feature = "embedded")]
fn setting_hint(error: &embedded_postgres::Error) -> &'static str {
    use embedded_postgres::Error::{
        DownloadFailed, DownloadVersionMismatch, InvalidArchive, NotInstalled, UnknownChecksum, UnpackFailed,
        UnsafeCacheDir,
    };
    match error {
        NotInstalled => " (settings: POSTGRES_BIN_DIR, DB_DRIVER=postgres with DATABASE_URL, POSTGRES_DOWNLOAD=true)",
        DownloadFailed { .. } | InvalidArchive { .. } => {
            " (settings: POSTGRES_BIN_DIR, DB_DRIVER=postgres with DATABASE_URL)"
        }
        UnknownChecksum { .. } => {
            " (settings: POSTGRES_DOWNLOAD_SHA256, POSTGRES_BIN_DIR, DB_DRIVER=postgres with DATABASE_URL)"
        }
        UnpackFailed { .. } | UnsafeCacheDir { .. } => " (setting: POSTGRES_CACHE_DIR)",
        DownloadVersionMismatch { .. } => " (settings: POSTGRES_DOWNLOAD_VERSION, POSTGRES_DOWNLOAD_SHA256)",
        _ => "",
    }
}

/// A migration failed or couldn't be started. Every message is one line and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The owner login can't connect.
    #[error("can't connect to the database at {address} for migrations: {source}")]
    Connect {
        /// Host and port, or the socket directory.
        address: String,
        /// The error.
        source: sqlx::Error,
    },
    /// The connection goes through a pooler.
    #[error(transparent)]
    PoolerDetected(#[from] PoolerDetected),
    /// Another migration run holds the lock.
    #[error("another migration has been running for over {} s; wait for it and try again", .waited.as_secs())]
    Locked {
        /// The lock timeout.
        waited: Duration,
    },
    /// The database was migrated with another login.
    #[error("the login for migrations isn't the owner of the tables; set MIGRATION_DATABASE_URL to the owner's")]
    NotOwner,
    /// The owner can't create the roles.
    #[error(
        "the login for migrations can't set up the roles {} and {} ({reason}); give it CREATEROLE, or have an \
         administrator create both and grant them to the login `{login}`",
        roles.app(),
        roles.system()
    )]
    Roles {
        /// Message of the server.
        reason: String,
        /// The roles.
        roles: RoleNames,
        /// The login that needs the roles.
        login: String,
    },
    /// The roles exist, and the owner may not grant them. From PostgreSQL 16 on, that requires ADMIN OPTION, which only
    /// the creator of a role has at first.
    #[error(
        "the login for migrations may not grant the existing roles {} and {} ({reason}); have an administrator execute \
         `GRANT {}, {} TO \"{owner}\" WITH ADMIN OPTION`, or set DB_ROLE_PREFIX if the roles belong to another database",
        roles.app(),
        roles.system(),
        roles.quoted_app(),
        roles.quoted_system()
    )]
    RoleAdminOption {
        /// Message of the server.
        reason: String,
        /// The roles.
        roles: RoleNames,
        /// The login for migrations.
        owner: String,
    },
    /// Row-level security or what it depends on was changed by hand since the last run.
    #[error(transparent)]
    AccessChanged(#[from] AccessChanged),
    /// The schema was created for other roles.
    #[error(
        "migrations have been applied, but the role {} doesn't exist; if the database was renamed or restored under \
         another name, set DB_ROLE_PREFIX to its former name, or have an administrator rename the roles",
        roles.app()
    )]
    RolesMissing {
        /// The roles.
        roles: RoleNames,
    },
    /// No migration has been applied, so a backup would be empty.
    #[error("nothing to back up: no migration has been applied, so the database has no tables")]
    NothingToBackUp,
    /// The recorded access is older than the schema, and a restore needs it.
    #[error("the last migration run was interrupted; run `tenantry migrate run`, then back up")]
    Interrupted,
    /// The migration history of the database is incompatible with this program.
    #[error("{0}")]
    History(String),
    /// A migration failed and was rolled back completely.
    #[error("migration {version:04} failed and was rolled back: {source}")]
    Failed {
        /// Number of the migration.
        version: i64,
        /// The error.
        source: sqlx::Error,
    },
    /// Another statement of the migration runner failed.
    #[error("can't run migrations: {0}")]
    Database(#[from] sqlx::Error),
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    use embedded_postgres::Error::{
        self, DownloadCancelled, DownloadFailed, DownloadVersionMismatch, InvalidArchive, NotInstalled,
        UnknownChecksum, UnpackFailed, UnsafeCacheDir,
    };

    use super::*;

    #[test]
    fn error_names_config_key() {
        let (dir, url, reason) = (|| "/srv".into(), || "https://example.com".into(), || "interrupted".into());
        let without_download = ["POSTGRES_BIN_DIR", "DB_DRIVER", "DATABASE_URL"];
        let all = [&without_download[..], &["POSTGRES_DOWNLOAD"]].concat();
        let with_checksum = [&["POSTGRES_DOWNLOAD_SHA256"], &without_download[..]].concat();
        let cases: [(Error, &[&str]); 8] = [
            (NotInstalled, &all),
            (DownloadFailed { url: url(), reason: reason() }, &without_download),
            (InvalidArchive { url: url(), reason: reason() }, &without_download),
            (UnknownChecksum { release: "postgresql-17.1.0".into() }, &with_checksum),
            (UnpackFailed { dir: dir(), reason: reason() }, &["POSTGRES_CACHE_DIR"]),
            (UnsafeCacheDir { dir: dir() }, &["POSTGRES_CACHE_DIR"]),
            (
                DownloadVersionMismatch { dir: dir(), data_major: 15, offered: "17.1.0".into() },
                &["POSTGRES_DOWNLOAD_VERSION", "POSTGRES_DOWNLOAD_SHA256"],
            ),
            (DownloadCancelled, &[]),
        ];
        for (error, settings) in cases {
            let message = OpenError::from(error).to_string();
            let named = message
                .split(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_')
                .filter(|word| word.contains('_'));
            assert_eq!(named.collect::<Vec<_>>(), settings, "{message}");
        }
    }
}
