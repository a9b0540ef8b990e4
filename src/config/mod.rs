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
use kernel::{contracts::Tenancy, db::DbConfig};

mod check;
mod keys;
mod load;
mod problems;
#[cfg(feature = "embedded")]
mod terminal;
#[cfg(test)]
mod tests;

pub use keys::{KEYS, Key};
pub use problems::{ConfigErrors, Place, Problem};
#[cfg(feature = "embedded")]
pub use terminal::terminal;

use load::Document;

/// The name of the configuration file, in the working directory.
const FILE: &str = "tenantry.toml";
/// The name of the developer's file, in the working directory.
const DOTENV: &str = ".env";

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
    pub tenancy: Tenancy,
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
    pub purpose: Purpose,
}

/// What the configuration is for: a command isn't to ask for secrets that it has no use for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// Serving the API.
    #[default]
    Serve,
    /// Work on the database alone.
    Administer,
}

impl AppConfig {
    /// Reads the working directory and the environment; the only place in the program that does.
    ///
    /// # Errors
    /// Every problem there is.
    pub fn load(purpose: Purpose) -> Result<Self, ConfigErrors> {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        let environment = std::env::vars_os();
        Self::from_directory(Path::new(""), environment, purpose)
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
        let document = |(name, text): (&str, &str)| Document { name: name.to_owned(), text: Ok(text.to_owned()) };
        let environment = sources.environment.into_iter().map(|(name, value)| (name.into(), value.into()));
        let layered = load::layered(sources.file.map(document), sources.dotenv.map(document), environment);
        check::checked(layered, sources.purpose)
    }

    fn from_directory(
        directory: &Path,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        purpose: Purpose,
    ) -> Result<Self, ConfigErrors> {
        let (file, dotenv) = (Document::read(directory, FILE), Document::read(directory, DOTENV));
        check::checked(load::layered(file, dotenv, environment), purpose)
    }
}
