//! Configuration, read and validated once at startup.
//!
//! Four layers, each overriding the previous: the defaults in [`KEYS`], `tenantry.toml`, `.env` (only in development),
//! the environment. A blank value counts as unset. [`AppConfig::load`] reports all errors at once, and the program
//! doesn't start if there are any.
//!
//! Invariants: nothing else in the program reads the environment. Nothing writes to it either; `.env` is only a layer.
//! No value appears in an error, and no secret in `Debug` output.

use std::ffi::OsString;
use std::net::IpAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

use auth::SigningKey;
use kernel::{contracts::TenancyMode, db::DbConfig};

mod error;
mod keys;
mod layers;
#[cfg(feature = "embedded")]
mod psql_env;
#[cfg(test)]
mod tests;
mod validate;

pub use error::{ConfigError, ConfigErrors, Origin};
pub use keys::{KEYS, Key};
#[cfg(feature = "embedded")]
pub use psql_env::psql_env;

use layers::SourceFile;

/// Name of the configuration file in the working directory.
const CONFIG_FILE: &str = "tenantry.toml";
/// Name of the developer's file in the working directory.
const DOTENV_FILE: &str = ".env";

/// The program's configuration.
#[derive(Debug)]
pub struct AppConfig {
    /// `APP_ENV`.
    pub environment: AppEnv,
    /// HTTP server settings.
    pub http: HttpConfig,
    /// Database settings.
    pub db: DbConfig,
    /// Authentication settings.
    pub auth: AuthConfig,
    /// How a request's tenant is determined.
    pub tenancy: TenancyMode,
    /// `DATA_DIR`, unchanged; a relative path is relative to the working directory.
    pub data_dir: PathBuf,
    /// Log settings.
    pub log: LogConfig,
}

/// The environment that the program runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppEnv {
    /// A developer's machine; the only environment that reads `.env`.
    Development,
    /// Automated tests.
    Test,
    /// Real users' data; requires a PostgreSQL server and a signing key.
    Production,
}

/// HTTP server settings.
#[derive(Debug)]
pub struct HttpConfig {
    /// Address to listen on.
    pub host: IpAddr,
    /// Port to listen on; 0 picks a free one.
    pub port: u16,
    /// Number of worker threads, at most 1024; `None` is one per core.
    pub workers: Option<NonZero<usize>>,
    /// Maximum size of a request body in bytes, 1 KiB to 16 MiB.
    pub body_limit: usize,
    /// Proxies whose `X-Forwarded-For` is trusted. IPv4 addresses are never IPv6-mapped, so compare with the peer's
    /// [`IpAddr::to_canonical`].
    pub trusted_proxies: Vec<IpAddr>,
    /// Base URL under which users reach the program, without a trailing slash; `None` is the listening address.
    pub public_url: Option<String>,
}

/// Authentication settings.
#[derive(Debug)]
pub struct AuthConfig {
    /// Issuer (`iss`) of access tokens.
    pub issuer: String,
    /// Audience (`aud`) of access tokens.
    pub audience: String,
    /// Lifetime of an access token, one minute to one day.
    pub token_ttl: Duration,
    /// Key that signs access tokens; never `None` for a server in production.
    pub signing_key: Option<SigningKey>,
}

/// Log settings.
#[derive(Debug)]
pub struct LogConfig {
    /// Valid directives of `tracing-subscriber`'s `EnvFilter`.
    pub filter: String,
    /// Format of a log line.
    pub format: LogFormat,
}

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty in a terminal, JSON elsewhere.
    Auto,
    /// Human-readable.
    Pretty,
    /// One JSON object per line.
    Json,
}

/// The inputs of a configuration. Files are pairs of name and text; the name appears in errors.
#[derive(Clone, Copy, Default)]
pub struct Sources<'a, E> {
    /// `tenantry.toml`.
    pub file: Option<(&'a str, &'a str)>,
    /// `.env`, parsed by dotenvy. Outside single quotes, dotenvy substitutes `$NAME` from the process environment.
    pub dotenv: Option<(&'a str, &'a str)>,
    /// The environment variables: pairs of name and value.
    pub environment: E,
    /// Which keys are required.
    pub scope: ConfigScope,
}

/// The part of the configuration that a command needs. A command must not require secrets that it doesn't use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConfigScope {
    /// Everything, to serve the API.
    #[default]
    Server,
    /// Only the database, for administration; `AUTH_SIGNING_KEY` is not required.
    DatabaseOnly,
}

impl AppConfig {
    /// Loads the configuration from the working directory and the environment.
    ///
    /// # Errors
    /// All errors of all layers.
    pub fn load(scope: ConfigScope) -> Result<Self, ConfigErrors> {
        #[expect(clippy::disallowed_methods, reason = "src/config is the only place that reads the environment")]
        let environment = std::env::vars_os();
        Self::from_directory(Path::new(""), environment, scope)
    }

    /// Creates the configuration from `sources` alone.
    ///
    /// # Errors
    /// All errors of all layers.
    pub fn from_sources<E, N, V>(sources: Sources<'_, E>) -> Result<Self, ConfigErrors>
    where
        E: IntoIterator<Item = (N, V)>,
        N: Into<OsString>,
        V: Into<OsString>,
    {
        let source_file = |(name, text): (&str, &str)| SourceFile { name: name.to_owned(), text: Ok(text.to_owned()) };
        let environment = sources.environment.into_iter().map(|(name, value)| (name.into(), value.into()));
        let layers = layers::read_layers(sources.file.map(source_file), sources.dotenv.map(source_file), environment);
        validate::validate(layers, sources.scope)
    }

    fn from_directory(
        directory: &Path,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        scope: ConfigScope,
    ) -> Result<Self, ConfigErrors> {
        let (file, dotenv) = (SourceFile::read(directory, CONFIG_FILE), SourceFile::read(directory, DOTENV_FILE));
        validate::validate(layers::read_layers(file, dotenv, environment), scope)
    }
}
