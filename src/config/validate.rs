//! Parses the merged layers into typed settings and reports all errors.

mod tenancy;

use std::fmt::Display;
use std::net::IpAddr;
use std::num::NonZero;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use auth::SigningKey;
use kernel::db::{DatabaseUrl, DbConfig, DbDriver, PostgresConfig};
use secrecy::SecretString;
use tracing_subscriber::EnvFilter;

use super::error::{ConfigError, ConfigErrors, Origin};
use super::layers::{LayeredValue, MergedLayers};
use super::{AppConfig, AppEnv, AuthConfig, ConfigScope, HttpConfig, LogConfig, LogFormat};

/// Example of a `DATABASE_URL`.
const URL_EXAMPLE: &str = "postgres://user:password@host:5432/database";

pub(super) fn validate(layers: MergedLayers, scope: ConfigScope) -> Result<AppConfig, ConfigErrors> {
    let mut validator = Validator { layers, scope };
    let config = validator.app();
    match config {
        Some(config) if validator.layers.errors.is_empty() => Ok(config),
        _ => Err(ConfigErrors(validator.layers.errors)),
    }
}

/// Parses the sections of the configuration.
///
/// Every section reads all of its keys before it fails, so that no error hides another. A failing section returns
/// `None` and has added at least one error.
struct Validator {
    layers: MergedLayers,
    scope: ConfigScope,
}

impl Validator {
    fn app(&mut self) -> Option<AppConfig> {
        let environment = self.environment();
        let http = self.http();
        let data_dir = self.value("DATA_DIR", any_text).map(PathBuf::from);
        let db = self.db(environment);
        let auth = self.auth(environment);
        let tenancy = self.tenancy();
        let log = self.log();
        Some(AppConfig {
            environment: environment?,
            http: http?,
            db: db?,
            auth: auth?,
            tenancy: tenancy?,
            data_dir: data_dir?,
            log: log?,
        })
    }

    fn environment(&mut self) -> Option<AppEnv> {
        let all = [("development", AppEnv::Development), ("test", AppEnv::Test), ("production", AppEnv::Production)];
        self.value("APP_ENV", one_of(all))
    }

    fn http(&mut self) -> Option<HttpConfig> {
        let host = self.value("HTTP_HOST", |text| {
            text.parse().map_err(|_| "must be an IP address, such as 127.0.0.1 or ::1".to_owned())
        });
        let port = self.value("HTTP_PORT", whole_number(0..=u16::MAX));
        let workers = self.value("HTTP_WORKERS", whole_number(1..=1024)).and_then(NonZero::new);
        let body_limit = self.value("HTTP_BODY_LIMIT_BYTES", whole_number(1024..=16 * 1024 * 1024));
        let trusted_proxies = self.value("TRUSTED_PROXIES", ip_addresses).unwrap_or_default();
        let public_url = self.value("PUBLIC_URL", public_url);
        Some(HttpConfig { host: host?, port: port?, workers, body_limit: body_limit?, trusted_proxies, public_url })
    }

    fn db(&mut self, environment: Option<AppEnv>) -> Option<DbConfig> {
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
        let download = self.download();
        #[cfg(not(feature = "embedded"))]
        let _ = download;
        match self.driver_name(environment)? {
            #[cfg(feature = "embedded")]
            DriverName::Embedded => self.embedded(download?),
            DriverName::Postgres { reason } => {
                self.require("DATABASE_URL", &format!("is required with {reason}; set it, such as {URL_EXAMPLE}"));
                Some(DbDriver::Postgres(PostgresConfig { url: url?, migration_url }))
            }
        }
    }

    fn download(&mut self) -> Option<DownloadSettings> {
        let enabled = self.value("POSTGRES_DOWNLOAD", one_of([("true", true), ("false", false)]));
        let version = self.value("POSTGRES_DOWNLOAD_VERSION", postgres_version);
        let url = self.value("POSTGRES_DOWNLOAD_URL", download_url);
        Some(DownloadSettings { enabled: enabled?, version: version?, url: url? })
    }

    #[cfg(feature = "embedded")]
    fn embedded(&mut self, download: DownloadSettings) -> Option<DbDriver> {
        for key in ["DATABASE_URL", "MIGRATION_DATABASE_URL"] {
            if self.is_explicit(key) {
                let message = format!(
                    "is not used by the embedded driver; set DB_DRIVER=postgres to use it, \
                     or unset {key} to use the embedded database"
                );
                self.add_error(key, message);
            }
        }
        let data_dir = PathBuf::from(self.value("DATA_DIR", any_text)?);
        let cache = self.value("POSTGRES_CACHE_DIR", any_text).map(PathBuf::from);
        let standard_variables = &self.layers.standard_variables;
        let cache = cache.or_else(|| standard_variables.cache_dir()).unwrap_or_else(|| data_dir.join("cache"));
        let mut from = kernel::db::DownloadOptions::new(cache, download.version, download.url);
        from.enabled = download.enabled;
        from.proxy = standard_variables.proxy();
        Some(DbDriver::Embedded(Box::new(kernel::db::EmbeddedConfig {
            root: data_dir.join("postgres"),
            bin_dir: self.value("POSTGRES_BIN_DIR", any_text).map(PathBuf::from),
            search_path: self.layers.standard_variables.first_set(&["PATH"]).cloned(),
            download: Some(from),
            durable: true,
        })))
    }

    /// Returns the configured driver, or `None` if it is invalid or can't be determined because of another error.
    fn driver_name(&mut self, environment: Option<AppEnv>) -> Option<DriverName> {
        if self.is_explicit("DB_DRIVER") {
            let embedded = self.value("DB_DRIVER", one_of([("embedded", true), ("postgres", false)]))?;
            return match (embedded, environment) {
                (false, _) => Some(DriverName::Postgres { reason: "DB_DRIVER=postgres" }),
                #[cfg(not(feature = "embedded"))]
                (true, _) => {
                    self.add_error(
                        "DB_DRIVER",
                        "this build doesn't contain the embedded database; set DB_DRIVER=postgres and DATABASE_URL",
                    );
                    None
                }
                #[cfg(feature = "embedded")]
                (true, Some(AppEnv::Production)) => {
                    self.add_error(
                        "DB_DRIVER",
                        "production requires a PostgreSQL server; set DB_DRIVER=postgres and DATABASE_URL",
                    );
                    None
                }
                #[cfg(feature = "embedded")]
                (true, _) => Some(DriverName::Embedded),
            };
        }
        if !self.layers.complete {
            // The unreadable file may set the driver or the environment.
            return None;
        }
        match environment? {
            AppEnv::Production => Some(DriverName::Postgres { reason: "APP_ENV=production" }),
            #[cfg(feature = "embedded")]
            AppEnv::Development | AppEnv::Test => Some(DriverName::Embedded),
            #[cfg(not(feature = "embedded"))]
            AppEnv::Development | AppEnv::Test => {
                Some(DriverName::Postgres { reason: "a build that doesn't contain the embedded database" })
            }
        }
    }

    fn auth(&mut self, environment: Option<AppEnv>) -> Option<AuthConfig> {
        let issuer = self.value("AUTH_ISSUER", any_text);
        let audience = self.value("AUTH_AUDIENCE", any_text);
        let token_ttl = self.value("AUTH_TOKEN_TTL_SECS", whole_number(60..=86_400)).map(Duration::from_secs);
        let signing_key = self.value("AUTH_SIGNING_KEY", signing_key);
        if environment == Some(AppEnv::Production) && self.scope == ConfigScope::Server {
            let message = "is required with APP_ENV=production; set it to an Ed25519 key, generated with \
                           openssl genpkey -algorithm ed25519 | openssl base64 -A";
            self.require("AUTH_SIGNING_KEY", message);
        }
        Some(AuthConfig { issuer: issuer?, audience: audience?, token_ttl: token_ttl?, signing_key })
    }

    fn log(&mut self) -> Option<LogConfig> {
        let filter = self.value("LOG_LEVEL", log_filter);
        let format = self.value(
            "LOG_FORMAT",
            one_of([("auto", LogFormat::Auto), ("pretty", LogFormat::Pretty), ("json", LogFormat::Json)]),
        );
        Some(LogConfig { filter: filter?, format: format? })
    }

    /// Parses a key's value. Returns `None` if it is unset, or invalid, which adds an error.
    fn value<T>(&mut self, key: &'static str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let LayeredValue { text, .. } = self.layers.values.get(key)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(message) => {
                self.add_error(key, message);
                None
            }
        }
    }

    /// Returns whether a layer above the defaults sets the key.
    fn is_explicit(&self, key: &str) -> bool {
        self.layers.values.get(key).is_some_and(LayeredValue::is_explicit)
    }

    /// Adds an error if the key is missing, unless it may be set in an unreadable file.
    fn require(&mut self, key: &'static str, message: &str) {
        if self.layers.complete && !self.is_explicit(key) {
            self.add_error(key, message);
        }
    }

    fn add_error(&mut self, key: &'static str, message: impl Into<String>) {
        let origin = self.layers.values.get(key).map_or(Origin::NotSet, |value| Origin::Layer(value.layer.clone()));
        self.layers.errors.push(ConfigError { key: key.to_owned(), origin, message: message.into() });
    }
}

/// Only in development and for a local server: forgetting `APP_ENV=production` must not migrate a production database.
fn migrates_on_start(driver: &DbDriver, environment: Option<AppEnv>) -> bool {
    match driver {
        #[cfg(feature = "embedded")]
        DbDriver::Embedded(_) => true,
        DbDriver::Postgres(PostgresConfig { url, migration_url }) => {
            let local = url.is_local() && migration_url.as_ref().is_none_or(DatabaseUrl::is_local);
            environment == Some(AppEnv::Development) && local
        }
    }
}

/// Settings for the download of PostgreSQL.
#[cfg_attr(not(feature = "embedded"), expect(dead_code, reason = "validated in every build, used only with embedded"))]
struct DownloadSettings {
    enabled: bool,
    version: String,
    url: String,
}

enum DriverName {
    #[cfg(feature = "embedded")]
    Embedded,
    /// `reason` is the setting that selects the driver.
    Postgres { reason: &'static str },
}

/// Accepts any text.
fn any_text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn whole_number<T: FromStr + PartialOrd + Display>(range: RangeInclusive<T>) -> impl FnOnce(&str) -> Result<T, String> {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
    }
}

fn one_of<T, const N: usize>(all: [(&'static str, T); N]) -> impl FnOnce(&str) -> Result<T, String> {
    move |text| {
        let names = all.each_ref().map(|(name, _)| *name);
        all.into_iter()
            .find_map(|(name, value)| (name == text).then_some(value))
            .ok_or_else(|| format!("must be one of: {}", names.join(", ")))
    }
}

fn postgres_version(text: &str) -> Result<String, String> {
    let numbers: Result<Vec<u32>, _> = text.split('.').map(str::parse).collect();
    match numbers.as_deref() {
        Ok([major, _, _]) if *major >= 15 => Ok(text.to_owned()),
        _ => Err("must be a full version, 15 or newer, such as 17.11.0".to_owned()),
    }
}

/// Requires https, or http to this machine. The checksum comes from the same server as the archive, so the transport
/// must be authenticated.
fn download_url(text: &str) -> Result<String, String> {
    let uri = text.parse::<actix_web::http::Uri>().ok();
    let (scheme, host) = uri.as_ref().map_or((None, None), |uri| (uri.scheme_str(), uri.host()));
    match (scheme, host) {
        (Some("https"), Some(_)) | (Some("http"), Some("127.0.0.1" | "[::1]" | "localhost")) => Ok(text.to_owned()),
        _ => Err("must start with https://; http:// is allowed only for servers on this machine".to_owned()),
    }
}

/// Validates a base URL and removes trailing slashes. Rejects a query or fragment, because paths are appended to it.
fn public_url(text: &str) -> Result<String, String> {
    let uri = text.parse::<actix_web::http::Uri>().ok().filter(|_| !text.contains(['?', '#', '@']));
    let (scheme, host) = uri.as_ref().map_or((None, None), |uri| (uri.scheme_str(), uri.host()));
    match (scheme, host) {
        (Some("https" | "http"), Some(host)) if !host.is_empty() => Ok(text.trim_end_matches('/').to_owned()),
        _ => {
            Err("must be an http:// or https:// URL without user, query and fragment, such as https://app.example.com"
                .to_owned())
        }
    }
}

fn signing_key(text: &str) -> Result<SigningKey, String> {
    SigningKey::parse(&SecretString::from(text)).map_err(|error| error.to_string())
}

fn log_filter(text: &str) -> Result<String, String> {
    let filter = EnvFilter::try_new(text).map_err(|_| {
        "must be a level (error, warn, info, debug, trace), or directives such as info,tenantry=debug".to_owned()
    });
    filter.map(|_| text.to_owned())
}

fn ip_addresses(text: &str) -> Result<Vec<IpAddr>, String> {
    let addresses = text.split(',').map(|entry| entry.trim().parse::<IpAddr>().map(|address| address.to_canonical()));
    addresses.collect::<Result<_, _>>().map_err(|_| {
        "must be comma-separated IP addresses, such as 10.0.0.1,10.0.0.2; host names and ranges aren't supported"
            .to_owned()
    })
}

fn database_url(text: &str) -> Result<DatabaseUrl, String> {
    DatabaseUrl::parse(text).map_err(|error| match text.split_once("://") {
        Some((scheme, _)) if is_foreign_scheme(scheme) => {
            format!("its scheme is {scheme}, but only PostgreSQL is supported; set it to {URL_EXAMPLE}")
        }
        _ => format!("{error}; set it to {URL_EXAMPLE}"),
    })
}

/// Returns whether this is a syntactically valid scheme, so that it can be shown, and not one of PostgreSQL's.
fn is_foreign_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        && !["postgres", "postgresql"].contains(&scheme)
}
