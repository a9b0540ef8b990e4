//! Database configuration. The caller supplies it; nothing here reads environment variables.

use std::time::Duration;
#[cfg(feature = "embedded")]
use std::{ffi::OsString, path::PathBuf};

use super::{DatabaseUrl, RoleNames};

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
    /// URL with a login that bypasses row-level security, for backups; `None`: the owner's login.
    pub backup_url: Option<DatabaseUrl>,
    /// The roles of the application.
    pub roles: RoleNames,
}

impl PostgresConfig {
    /// The URL of migrations and restores.
    pub(super) fn owner_url(&self) -> &DatabaseUrl {
        self.migration_url.as_ref().unwrap_or(&self.url)
    }

    /// The URL of backups.
    pub(super) fn backup_url(&self) -> &DatabaseUrl {
        self.backup_url.as_ref().unwrap_or(self.owner_url())
    }
}
