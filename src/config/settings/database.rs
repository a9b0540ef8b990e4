//! The database driver and the connection pool.

#[cfg(feature = "embedded")]
use std::path::PathBuf;
use std::time::Duration;

use db::{DatabaseUrl, DatabaseUrlError, DbConfig, DbDriver, PostgresConfig, RoleNames};

use super::AppEnv;
#[cfg(feature = "embedded")]
use crate::config::validator::from_str;
use crate::config::validator::{Validator, base_url, one_of, whole_number};

/// Example of a `DATABASE_URL`.
const URL_EXAMPLE: &str = "postgres://user:password@host:5432/database";

/// Schemes of other databases. Another text in front of the colon isn't shown, since it may be part of a password.
const FOREIGN_SCHEMES: [&str; 5] = ["mysql", "mariadb", "sqlite", "sqlserver", "jdbc"];

/// The download of PostgreSQL: whether it is enabled, the version, the SHA-256 and the URL.
type Download = (bool, String, Option<String>, String);

impl Validator {
    pub(super) fn db(&mut self, environment: Option<AppEnv>) -> Option<DbConfig> {
        let driver = self.driver(environment);
        let migrate_on_start = driver.as_ref().is_some_and(|driver| migrates_on_start(driver, environment));
        let pool_size = self.value("DB_POOL_SIZE", whole_number(1..=500));
        let connect_timeout = self.value("DB_CONNECT_TIMEOUT_SECS", whole_number(1..=300)).map(Duration::from_secs);
        Some(DbConfig {
            driver: driver?,
            pool_size: pool_size?,
            connect_timeout: connect_timeout?,
            production: environment? == AppEnv::Production,
            migrate_on_start,
        })
    }

    fn driver(&mut self, environment: Option<AppEnv>) -> Option<DbDriver> {
        let url = self.value("DATABASE_URL", database_url);
        let migration_url = self.value("MIGRATION_DATABASE_URL", database_url);
        let backup_url = self.value("BACKUP_DATABASE_URL", database_url);
        let role_prefix = self.value("DB_ROLE_PREFIX", role_names);
        let download = self.download();
        let explicit = self.is_explicit("DB_DRIVER");
        let embedded = if explicit {
            self.value("DB_DRIVER", one_of([("embedded", true), ("postgres", false)]))?
        } else if self.layers.complete {
            environment? != AppEnv::Production && cfg!(feature = "embedded")
        } else {
            // The unreadable file may set the driver or the environment.
            return None;
        };
        if embedded {
            return self.embedded(environment, download);
        }
        let reason = match environment {
            _ if explicit => "DB_DRIVER=postgres",
            Some(AppEnv::Production) => "APP_ENV=production",
            _ => "a build that doesn't contain the embedded database",
        };
        self.require("DATABASE_URL", &format!("is required with {reason}; set it, such as {URL_EXAMPLE}"));
        let url = url?;
        for (key, other) in [("MIGRATION_DATABASE_URL", &migration_url), ("BACKUP_DATABASE_URL", &backup_url)] {
            if other.as_ref().is_some_and(|other| other.database() != url.database()) {
                self.add_error(key, "names another database than DATABASE_URL; set both to the same database");
            }
        }
        let roles = if self.is_explicit("DB_ROLE_PREFIX") { role_prefix } else { self.default_roles(&url) };
        Some(DbDriver::Postgres(PostgresConfig { url, migration_url, backup_url, roles: roles? }))
    }

    /// Roles belong to the whole server, so each database has its own, named after it.
    fn default_roles(&mut self, url: &DatabaseUrl) -> Option<RoleNames> {
        let roles = RoleNames::new(&url.database());
        let explain = |error| format!("is required, since the name of the database {error}; set it, such as shop");
        roles.map_err(|error| self.add_error("DB_ROLE_PREFIX", explain(error))).ok()
    }

    fn download(&mut self) -> Option<Download> {
        let enabled = self.value("POSTGRES_DOWNLOAD", one_of([("true", true), ("false", false)]));
        let version = self.value("POSTGRES_DOWNLOAD_VERSION", postgres_version);
        let sha256 = self.value("POSTGRES_DOWNLOAD_SHA256", sha256);
        let url = self.value("POSTGRES_DOWNLOAD_URL", download_url);
        Some((enabled?, version?, sha256, url?))
    }

    #[cfg(feature = "embedded")]
    fn embedded(&mut self, environment: Option<AppEnv>, download: Option<Download>) -> Option<DbDriver> {
        if environment == Some(AppEnv::Production) {
            let message = "production requires a PostgreSQL server; set DB_DRIVER=postgres and DATABASE_URL";
            self.add_error("DB_DRIVER", message);
            return None;
        }
        for key in ["DATABASE_URL", "MIGRATION_DATABASE_URL", "BACKUP_DATABASE_URL", "DB_ROLE_PREFIX"] {
            if self.is_explicit(key) {
                let message = format!(
                    "is not used by the embedded driver; set DB_DRIVER=postgres to use it, \
                     or unset {key} to use the embedded database"
                );
                self.add_error(key, message);
            }
        }
        let data_dir: PathBuf = self.value("DATA_DIR", from_str)?;
        let bin_dir = self.value("POSTGRES_BIN_DIR", from_str);
        let cache = self.value("POSTGRES_CACHE_DIR", from_str);
        let (enabled, version, sha256, url) = download?;
        let variable = |name: &str| self.layers.standard_variables.get(name);
        let mut download = db::DownloadOptions::for_program("tenantry", data_dir.join("cache"), variable);
        download = download.with_release(version, url);
        download.cache = cache.unwrap_or(download.cache);
        download.sha256 = sha256.or(download.sha256);
        download.enabled = enabled;
        Some(DbDriver::Embedded(Box::new(db::EmbeddedConfig {
            root: data_dir.join("postgres"),
            bin_dir,
            search_path: variable("PATH"),
            download: Some(download),
            durable: true,
        })))
    }

    #[cfg(not(feature = "embedded"))]
    fn embedded(&mut self, _: Option<AppEnv>, _: Option<Download>) -> Option<DbDriver> {
        let message = "this build doesn't contain the embedded database; set DB_DRIVER=postgres and DATABASE_URL";
        self.add_error("DB_DRIVER", message);
        None
    }
}

/// Only in development and for a local server: forgetting `APP_ENV=production` must not migrate a production database.
fn migrates_on_start(driver: &DbDriver, environment: Option<AppEnv>) -> bool {
    match driver {
        #[cfg(feature = "embedded")]
        DbDriver::Embedded(_) => true,
        DbDriver::Postgres(PostgresConfig { url, migration_url, .. }) => {
            let local = url.is_local() && migration_url.as_ref().is_none_or(DatabaseUrl::is_local);
            environment == Some(AppEnv::Development) && local
        }
    }
}

fn postgres_version(text: &str) -> Result<String, String> {
    let numbers: Result<Vec<u32>, _> = text.split('.').map(whole_number(0..=u32::MAX)).collect();
    match numbers.as_deref() {
        Ok([major, _, _]) if *major >= 15 => Ok(text.to_owned()),
        _ => Err("must be a full version, 15 or newer, such as 17.11.0".to_owned()),
    }
}

fn sha256(text: &str) -> Result<String, String> {
    let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| text.to_ascii_lowercase()).ok_or_else(|| "must be 64 hexadecimal digits".to_owned())
}

/// Requires https, or http to this machine. The archive has a checksum; the transport is authenticated in addition. The
/// URL is logged, so it must not contain a password.
fn download_url(text: &str) -> Result<String, String> {
    let url = base_url(text);
    match url.as_ref().and_then(|url| Some((url.scheme(), url.host_str()?))) {
        Some(("https", _) | ("http", "127.0.0.1" | "[::1]" | "localhost")) => Ok(text.to_owned()),
        _ => {
            let message = "must be an https:// URL without user, query and fragment; http:// is allowed only for servers \
                           on this machine";
            Err(message.to_owned())
        }
    }
}

fn database_url(text: &str) -> Result<DatabaseUrl, String> {
    DatabaseUrl::parse(text).map_err(|error| match FOREIGN_SCHEMES.iter().find(|scheme| text.starts_with(**scheme)) {
        Some(scheme) => format!("its scheme is {scheme}, but only PostgreSQL is supported; set it to {URL_EXAMPLE}"),
        None if error == DatabaseUrlError::Scheme => format!("{error}; set it to {URL_EXAMPLE}"),
        None => error.to_string(),
    })
}

fn role_names(text: &str) -> Result<RoleNames, String> {
    RoleNames::new(text).map_err(|error| error.to_string())
}
