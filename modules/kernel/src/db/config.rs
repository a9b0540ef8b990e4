//! What the database needs to know, handed down by the root package: nothing here reads the environment.

#[cfg(feature = "embedded")]
use std::{ffi::OsString, path::PathBuf};
use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;

/// Everything about the database.
#[derive(Debug, Clone)]
pub struct DbConfig {
    /// Which server.
    pub driver: DbDriver,
    /// How many connections at the most.
    pub pool_size: u32,
    /// How long a request, and the start, wait for a connection.
    pub connect_timeout: Duration,
    /// Whether a login that row-level security doesn't bind is refused.
    pub production: bool,
    /// Whether pending migrations are applied when it is opened. Without, a schema that isn't current is refused.
    pub migrate_on_start: bool,
}

/// Which server.
#[derive(Debug, Clone)]
pub enum DbDriver {
    /// One that this program starts itself.
    #[cfg(feature = "embedded")]
    Embedded(Box<EmbeddedConfig>),
    /// One that runs already.
    Postgres(PostgresConfig),
}

/// The embedded server.
#[cfg(feature = "embedded")]
#[derive(Debug, Clone)]
pub struct EmbeddedConfig {
    /// Where its data lives.
    pub root: PathBuf,
    /// The folder with `postgres` and `initdb`; `None`: search.
    pub bin_dir: Option<PathBuf>,
    /// The folders to search first, in the form of `PATH`.
    pub search_path: Option<OsString>,
    /// Where a PostgreSQL comes from when none is found.
    pub download: Option<embedded_postgres::DownloadOptions>,
    /// Whether committed data survives a power cut. Off only for tests.
    pub durable: bool,
}

/// A server that runs already.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// The application's login.
    pub url: DatabaseUrl,
    /// The owner's login, for migrations; `None`: the application's.
    pub migration_url: Option<DatabaseUrl>,
}

/// A PostgreSQL connection URL. It prints as nothing, for it holds a password.
#[derive(Debug, Clone)]
pub struct DatabaseUrl(SecretString);

/// The text is no PostgreSQL URL. The message never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    /// Some other database, or no URL at all.
    #[error("isn't a PostgreSQL URL: it must begin with postgres:// or postgresql://")]
    Scheme,
    /// It begins well.
    #[error("isn't a well-formed PostgreSQL URL")]
    Malformed,
}

impl DatabaseUrl {
    /// Checks the URL without connecting.
    ///
    /// # Errors
    /// [`DatabaseUrlError`], which doesn't repeat the text.
    pub fn parse(text: &str) -> Result<Self, DatabaseUrlError> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Err(DatabaseUrlError::Scheme);
        }
        PgConnectOptions::from_str(text).map_err(|_| DatabaseUrlError::Malformed)?;
        Ok(Self(text.to_owned().into()))
    }

    /// Whether it names this very machine: a socket, or an address of the loopback interface.
    pub fn is_local(&self) -> bool {
        let options = self.options();
        let host = options.get_host().trim_matches(['[', ']']);
        let loopback = || host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        options.get_socket().is_some() || loopback()
    }

    pub(super) fn options(&self) -> PgConnectOptions {
        #[expect(clippy::expect_used, reason = "`parse` let it through, and the parser is a pure function of the text")]
        PgConnectOptions::from_str(self.0.expose_secret()).expect("a URL that parsed once parses again")
    }
}

/// Host and port, or the socket's folder: what may be shown to people.
pub(super) struct Address<'a>(pub(super) &'a PgConnectOptions);

impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get_socket() {
            Some(folder) => folder.display().fmt(f),
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
