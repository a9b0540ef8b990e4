//! Database configuration. The caller supplies it; nothing here reads environment variables.

#[cfg(feature = "embedded")]
use std::{ffi::OsString, path::PathBuf};
use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

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
    /// Whether logins that bypass row-level security are rejected, and servers on other machines must use TLS.
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
    /// URL with the application login.
    pub url: DatabaseUrl,
    /// URL with the owner login, for migrations; `None`: the application login.
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

    /// Returns whether the server is on this machine: a Unix socket or a loopback address.
    pub fn is_local(&self) -> bool {
        let options = self.parsed();
        let host = options.get_host();
        let loopback = || host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        uses_socket(&options) || loopback()
    }

    /// Returns the name of the database. As in PostgreSQL, it defaults to that of the login.
    pub fn database(&self) -> String {
        let options = self.parsed();
        options.get_database().unwrap_or(options.get_username()).to_owned()
    }

    /// Returns the options of a connection.
    ///
    /// In production, a server on another machine must present a trusted certificate for its host name, unless the URL
    /// has an `sslmode`. `PGSSLMODE`, which sqlx reads, doesn't change that.
    pub(super) fn options(&self, production: bool) -> PgConnectOptions {
        let options = self.parsed();
        let verify = production && !self.is_local() && self.sslmode().is_none();
        if verify { options.ssl_mode(PgSslMode::VerifyFull) } else { options }
    }

    /// Returns the URL's `sslmode` if another machine on the network may impersonate the server or read the connection.
    pub(super) fn weak_sslmode(&self) -> Option<String> {
        self.sslmode().filter(|mode| !self.is_local() && !mode.eq_ignore_ascii_case("verify-full"))
    }

    /// Returns the last `sslmode` of the URL, as sqlx does. Its value is valid, since `parse` accepted the URL.
    fn sslmode(&self) -> Option<String> {
        let url = Url::parse(self.0.expose_secret()).ok()?;
        let modes = url.query_pairs().filter(|(key, _)| matches!(&**key, "sslmode" | "ssl-mode"));
        modes.last().map(|(_, mode)| mode.into_owned())
    }

    fn parsed(&self) -> PgConnectOptions {
        #[expect(clippy::expect_used, reason = "`parse` accepted the URL, and parsing is deterministic")]
        let options =
            PgConnectOptions::from_str(self.0.expose_secret()).expect("a URL that has been parsed can be parsed again");
        // A certificate's name for an IPv6 address has no brackets.
        match options.get_host().strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(str::to_owned) {
            Some(host) => options.host(&host),
            None => options,
        }
    }
}

/// Returns whether these options lead to a Unix socket. Without a host in the URL, sqlx's default host may be its
/// directory.
pub(super) fn uses_socket(options: &PgConnectOptions) -> bool {
    options.get_socket().is_some() || options.get_host().starts_with('/')
}

/// Host and port, or the socket directory, without user and password.
pub(super) struct Address<'a>(pub(super) &'a PgConnectOptions);

impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get_socket() {
            Some(socket_dir) => socket_dir.display().fmt(f),
            None if self.0.get_host().contains(':') => write!(f, "[{}]:{}", self.0.get_host(), self.0.get_port()),
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
            ("postgres://u@%2Frun%2Fpostgresql/d", true),
            ("postgres://u@10.0.0.1/d", false),
            ("postgres://u@db.example.com/d", false),
            ("postgres://u@localhost.example.com/d", false),
        ] {
            assert_eq!(DatabaseUrl::parse(url).map(|url| url.is_local()), Ok(local), "{url}");
        }
    }

    #[test]
    fn remote_server_is_verified_in_production() {
        use PgSslMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
        for (url, development, production, weak) in [
            ("postgres://u@db.example.com/d", Prefer, VerifyFull, None),
            ("postgres://u@10.0.0.1/d?sslrootcert=ca.pem", Prefer, VerifyFull, None),
            ("postgres://u@[2001:db8::1]/d", Prefer, VerifyFull, None),
            // No query, but part of the password or the fragment.
            ("postgres://u:sslmode=disable@h/d#?sslmode=disable", Prefer, VerifyFull, None),
            ("postgres://u@h/d?sslmode=disable", Disable, Disable, Some("disable")),
            ("postgres://u@h/d?ssl-mode=prefer", Prefer, Prefer, Some("prefer")),
            ("postgres://u@h/d?sslmode=verify-full&sslmode=Require", Require, Require, Some("Require")),
            ("postgres://u@h/d?sslmode=verify-ca", VerifyCa, VerifyCa, Some("verify-ca")),
            ("postgres://u@h/d?sslmode=Verify-Full", VerifyFull, VerifyFull, None),
            ("postgres://u@localhost/d", Prefer, Prefer, None),
            ("postgres://u@h/d?host=/run/postgresql&sslmode=disable", Disable, Disable, None),
        ] {
            let parsed = DatabaseUrl::parse(url).unwrap();
            let mode = |production| format!("{:?}", parsed.options(production).get_ssl_mode());
            assert_eq!((mode(false), mode(true)), (format!("{development:?}"), format!("{production:?}")), "{url}");
            assert_eq!(parsed.weak_sslmode().as_deref(), weak, "{url}");
        }
    }

    #[test]
    fn ipv6_host_has_no_brackets() {
        let options = DatabaseUrl::parse("postgres://u@[2001:db8::1]/d").unwrap().options(true);
        assert_eq!((options.get_host(), Address(&options).to_string()), ("2001:db8::1", "[2001:db8::1]:5432".into()));
    }
}
