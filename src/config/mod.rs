//! Configuration: read once, checked as a whole, handed down as values.
//!
//! Four layers, the later over the earlier: the defaults in [`KEYS`], `tenantry.toml`, `.env` (in development only),
//! the environment. A blank value counts as unset. [`AppConfig::load`] lists every problem at once, and the program
//! starts with no problem or not at all.
//!
//! Invariants: nothing else in the program reads the environment, and nothing writes to it: `.env` stays a layer.
//! No value ever gets into a problem, and no secret into `Debug`.

use std::ffi::OsString;
use std::net::IpAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

use auth::SigningKey;
use kernel::{contracts::TenancyMode, db::DbConfig};

mod validate;
mod keys;
mod layers;
mod error;
#[cfg(feature = "embedded")]
mod psql_env;
#[cfg(test)]
mod tests;

pub use keys::{KEYS, Key};
pub use error::{ConfigErrors, Origin, ConfigError};
#[cfg(feature = "embedded")]
pub use psql_env::psql_env;

use layers::SourceFile;

/// The name of the configuration file, in the working directory.
const CONFIG_FILE: &str = "tenantry.toml";
/// The name of the developer's file, in the working directory.
const DOTENV_FILE: &str = ".env";

/// Everything that the program can be told from outside.
#[derive(Debug)]
pub struct AppConfig {
    /// `APP_ENV`.
    pub environment: AppEnv,
    /// What the HTTP server needs.
    pub http: HttpConfig,
    /// What the database needs.
    pub db: DbConfig,
    /// What authentication needs.
    pub auth: AuthConfig,
    /// Which tenant a request acts in.
    pub tenancy: TenancyMode,
    /// `DATA_DIR`, as given: a relative path starts from the working directory.
    pub data_dir: PathBuf,
    /// What the logs look like.
    pub log: LogConfig,
}

/// Where the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppEnv {
    /// A developer's machine; the only place where `.env` is read.
    Development,
    /// Automated tests.
    Test,
    /// Real users' data: demands a PostgreSQL server and a signing key.
    Production,
}

/// What the HTTP server needs.
#[derive(Debug)]
pub struct HttpConfig {
    /// The address to listen on.
    pub host: IpAddr,
    /// The port to listen on; 0 takes any free one.
    pub port: u16,
    /// Worker threads, at most 1024; `None` is one a core.
    pub workers: Option<NonZero<usize>>,
    /// The largest request body in bytes, 1 KiB to 16 MiB.
    pub body_limit: usize,
    /// The proxies whose word on the client's address is taken. An IPv4 address is never in its IPv6-mapped form, so
    /// compare with the peer's [`IpAddr::to_canonical`].
    pub trusted_proxies: Vec<IpAddr>,
    /// Where people reach the program, without a slash at its end; `None` is the address that it listens on.
    pub public_url: Option<String>,
}

/// What authentication needs.
#[derive(Debug)]
pub struct AuthConfig {
    /// The issuer (`iss`) of access tokens.
    pub issuer: String,
    /// The audience (`aud`) of access tokens.
    pub audience: String,
    /// How long an access token lives, one minute to one day.
    pub token_ttl: Duration,
    /// An Ed25519 key, PKCS#8 PEM or its base64 on one line, parsed; always there in production.
    pub signing_key: Option<SigningKey>,
}

/// What the logs look like.
#[derive(Debug)]
pub struct LogConfig {
    /// Directives of `tracing-subscriber`'s `EnvFilter`, parsed.
    pub filter: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty in a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// What configuration is made from. Files come as `(name, text)`; the name is for problems.
#[derive(Clone, Copy, Default)]
pub struct Sources<'a, E> {
    /// `tenantry.toml`.
    pub file: Option<(&'a str, &'a str)>,
    /// `.env`. dotenvy, which reads it, replaces `$NAME` in values that aren't in single quotes, from the process's
    /// environment where that has such a variable.
    pub dotenv: Option<(&'a str, &'a str)>,
    /// The environment: pairs of name and value.
    pub environment: E,
    /// What for.
    pub scope: ConfigScope,
}

/// What the configuration is for: a command isn't to ask for secrets that it has no use for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConfigScope {
    /// Serving the API.
    #[default]
    Server,
    /// Work on the database alone.
    DatabaseOnly,
}

impl AppConfig {
    /// Reads the working directory and the environment; the only place in the program that does.
    ///
    /// # Errors
    /// Every problem there is.
    pub fn load(scope: ConfigScope) -> Result<Self, ConfigErrors> {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        let environment = std::env::vars_os();
        Self::from_directory(Path::new(""), environment, scope)
    }

    /// Makes the configuration from these sources and nothing else.
    ///
    /// # Errors
    /// Every problem there is.
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
