//! Database configuration. The caller supplies it; nothing here reads environment variables.

#[cfg(feature = "embedded")]
use std::{ffi::OsString, path::PathBuf};
use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;

use super::RoleNames;

/// Configuration of the database.
#[derive(Debug, Clone)]
pub struct DbConfig {
    /// The server.
    pub driver: DbDriver,
    /// Maximum number of connections.
    pub pool_size: u32,
    /// How long to wait for a connection, at start-up and in requests.
    pub connect_timeout: Duration,
    /// Whether logins that bypass row-level security are rejected.
    pub production: bool,
    /// Whether opening the database applies pending migrations. Otherwise an outdated schema is an error.
    pub migrate_on_start: bool,
}

/// The PostgreSQL server to use.
#[derive(Debug, Clone)]
pub enum DbDriver {
    /// A server that this program starts and stops.
    #[cfg(feature = "embedded")]
    Embedded(Box<EmbeddedConfig>),
    /// An external server.
    Postgres(PostgresConfig),
}

/// Configuration of the embedded server.
#[cfg(feature = "embedded")]
#[derive(Debug, Clone)]
pub struct EmbeddedConfig {
    /// Directory of its data.
    pub root: PathBuf,
    /// Directory of `postgres` and `initdb`; `None`: search for an installation.
    pub bin_dir: Option<PathBuf>,
    /// Directories to search first, in the format of `PATH`.
    pub search_path: Option<OsString>,
    /// How to download PostgreSQL if no installation is found; `None`: don't.
    pub download: Option<embedded_postgres::DownloadOptions>,
    /// Whether commits survive a power failure (fsync). Disabled only in tests.
    pub durable: bool,
}

/// Configuration of an external server.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// URL with the application's login.
    pub url: DatabaseUrl,
    /// URL with the owner's login, for migrations; `None`: the application's login.
    pub migration_url: Option<DatabaseUrl>,
    /// The roles of the application.
    pub roles: RoleNames,
}

/// A PostgreSQL connection URL. `Debug` redacts it, since it may contain a password.
#[derive(Debug, Clone)]
pub struct DatabaseUrl(SecretString);

/// The text isn't a PostgreSQL URL. The message doesn't contain the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    /// The scheme isn't PostgreSQL's.
    #[error("must begin with postgres:// or postgresql://")]
    Scheme,
    /// The scheme is right, but the rest can't be parsed.
    #[error("isn't a valid PostgreSQL URL")]
    Malformed,
}

impl DatabaseUrl {
    /// Parses a URL. Doesn't connect.
    pub fn parse(text: &str) -> Result<Self, DatabaseUrlError> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Err(DatabaseUrlError::Scheme);
        }
        PgConnectOptions::from_str(text).map_err(|_| DatabaseUrlError::Malformed)?;
        Ok(Self(text.to_owned().into()))
    }

    /// Whether the server is on this machine: a Unix socket or a loopback address.
    pub fn is_local(&self) -> bool {
        let options = self.options();
        let host = options.get_host().trim_matches(['[', ']']);
        let loopback = || host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        options.get_socket().is_some() || loopback()
    }

    /// The name of the database. As in PostgreSQL, it defaults to that of the login.
    pub fn database(&self) -> String {
        let options = self.options();
        options.get_database().unwrap_or(options.get_username()).to_owned()
    }

    pub(super) fn options(&self) -> PgConnectOptions {
        #[expect(clippy::expect_used, reason = "`parse` accepted the URL, and parsing is deterministic")]
        PgConnectOptions::from_str(self.0.expose_secret()).expect("a URL that has been parsed can be parsed again")
    }
}

/// Host and port, or the socket directory, without user and password.
pub(super) struct Address<'a>(pub(super) &'a PgConnectOptions);

impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get_socket() {
            Some(socket_dir) => socket_dir.display().fmt(f),
            None => write!(f, "{}:{}", self.0.get_host(), self.0.get_port()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_url_is_rejected_without_echo() {
        for text in ["mysql://u:hunter2@h/d", "hunter2", "postgres//hunter2", "sqlite::memory:"] {
            let error = DatabaseUrl::parse(text).err();
            assert_eq!(error, Some(DatabaseUrlError::Scheme), "{text}");
        }
        let malformed = DatabaseUrl::parse("postgres://u:hunter2@h:port/d").err();
        assert_eq!(malformed, Some(DatabaseUrlError::Malformed));
        let url = DatabaseUrl::parse("postgresql://u:hunter2@h:5432/d").map(|url| format!("{url:?}"));
        assert!(url.is_ok_and(|text| !text.contains("hunter2")));
    }

    #[test]
    fn socket_and_loopback_are_local() {
        for (url, local) in [
            ("postgres://u@127.0.0.1/d", true),
            ("postgres://u@localhost:5433/d", true),
            ("postgres://u@[::1]/d", true),
            ("postgres://u@ignored/d?host=/run/postgresql", true),
            ("postgres://u@10.0.0.1/d", false),
            ("postgres://u@db.example.com/d", false),
            ("postgres://u@localhost.example.com/d", false),
        ] {
            assert_eq!(DatabaseUrl::parse(url).map(|url| url.is_local()), Ok(local), "{url}");
        }
    }
}
