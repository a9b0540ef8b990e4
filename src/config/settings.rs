//! The settings of the program, each section with the parsing of its keys.

mod database;
mod tenancy;

use std::net::IpAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use auth::SigningKey;
use authorization::parse_ip_range;
use db::DbConfig;
use ipnet::IpNet;
use kernel::TenancyMode;
use secrecy::SecretString;
use tracing_subscriber::EnvFilter;

use super::error::ConfigErrors;
use super::layers::{MergedLayers, read_layers};
use super::validator::{Validator, base_url, from_str, one_of, whole_number};

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
    /// Number of worker threads, at most 512; `None` is one per core.
    pub workers: Option<NonZero<usize>>,
    /// Maximum size of a request body in bytes, 1 KiB to 16 MiB.
    pub body_limit: usize,
    /// Whether `/docs/` serves Swagger UI.
    pub docs: bool,
    /// Maximum number of open connections, 1 to 100,000.
    pub max_connections: usize,
    /// How long a client may take to send a body, or to read a response and send the next request; 1 second to 5 minutes.
    pub client_timeout: Duration,
    /// Proxies whose [`ForwardedHeader`] is trusted. IPv4 addresses are never IPv6-mapped, so compare with the peer's
    /// [`IpAddr::to_canonical`].
    pub trusted_proxies: Vec<IpNet>,
    /// The header that is read from trusted proxies.
    pub forwarded_header: ForwardedHeader,
    /// Base URL under which users reach the program, without a trailing slash; `None` is the listening address.
    pub public_url: Option<String>,
}

/// The header in which trusted proxies send the client's address. The other one is client input and is ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

#[expect(clippy::expect_used, reason = "the tests check that the defaults are valid")]
impl Default for HttpConfig {
    /// Returns the defaults of the configuration keys.
    fn default() -> Self {
        let mut validator = Validator { layers: read_layers(None, None, []) };
        validator.http(Some(AppEnv::Development)).expect("the defaults are valid")
    }
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
    /// Parses and validates the layers.
    pub(super) fn from_layers(layers: MergedLayers, scope: ConfigScope) -> Result<Self, ConfigErrors> {
        let mut validator = Validator { layers };
        match validator.app(scope) {
            Some(config) if validator.layers.errors.is_empty() => Ok(config),
            _ => Err(ConfigErrors(validator.layers.errors)),
        }
    }
}

impl Validator {
    fn app(&mut self, scope: ConfigScope) -> Option<AppConfig> {
        let environment = self.environment();
        let http = self.http(environment);
        let data_dir = self.value("DATA_DIR", from_str);
        let db = self.db(environment);
        let auth = self.auth(environment, scope);
        let tenancy = self.tenancy();
        let log = self.log();
        let unspecified = http.as_ref().is_some_and(|http| http.host.is_unspecified());
        if unspecified && environment == Some(AppEnv::Production) && scope == ConfigScope::Server {
            let message = "is required in production if HTTP_HOST names all interfaces, since links can't contain that \
                           address; set it, such as https://app.example.com";
            self.require("PUBLIC_URL", message);
        }
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

    fn http(&mut self, environment: Option<AppEnv>) -> Option<HttpConfig> {
        let host = self.value("HTTP_HOST", |text| {
            text.parse().map_err(|_| "must be an IP address, such as 127.0.0.1 or ::1".to_owned())
        });
        let port = self.value("HTTP_PORT", whole_number(0..=u16::MAX));
        let workers = self.value("HTTP_WORKERS", whole_number(1..=512)).and_then(NonZero::new);
        let body_limit = self.value("HTTP_BODY_LIMIT_BYTES", whole_number(1024..=16 * 1024 * 1024));
        let docs = self.value("HTTP_DOCS", one_of([("true", true), ("false", false)]));
        let max_connections = self.value("HTTP_MAX_CONNECTIONS", whole_number(1..=100_000));
        let client_timeout = self.value("HTTP_CLIENT_TIMEOUT_SECS", whole_number(1..=300)).map(Duration::from_secs);
        let trusted_proxies = self.value("TRUSTED_PROXIES", proxy_ranges).unwrap_or_default();
        let forwarded_header = self.value(
            "FORWARDED_HEADER",
            one_of([("x-forwarded-for", ForwardedHeader::XForwardedFor), ("forwarded", ForwardedHeader::Forwarded)]),
        );
        let public_url = self.value("PUBLIC_URL", public_url);
        Some(HttpConfig {
            host: host?,
            port: port?,
            workers,
            body_limit: body_limit?,
            docs: docs.unwrap_or(environment? != AppEnv::Production),
            max_connections: max_connections?,
            client_timeout: client_timeout?,
            trusted_proxies,
            forwarded_header: forwarded_header?,
            public_url,
        })
    }

    fn auth(&mut self, environment: Option<AppEnv>, scope: ConfigScope) -> Option<AuthConfig> {
        let issuer = self.value("AUTH_ISSUER", from_str);
        let audience = self.value("AUTH_AUDIENCE", from_str);
        let token_ttl = self.value("AUTH_TOKEN_TTL_SECS", whole_number(60..=86_400)).map(Duration::from_secs);
        let signing_key = self.value("AUTH_SIGNING_KEY", signing_key);
        if environment == Some(AppEnv::Production) && scope == ConfigScope::Server {
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
}

/// Validates a base URL and removes trailing slashes.
fn public_url(text: &str) -> Result<String, String> {
    let url = base_url(text).filter(|url| matches!(url.scheme(), "https" | "http"));
    url.map(|url| url.as_str().trim_end_matches('/').to_owned()).ok_or_else(|| {
        "must be an http:// or https:// URL without user, query and fragment, and with a port from 1 to 65535 if any, \
         such as https://app.example.com"
            .to_owned()
    })
}

fn signing_key(text: &str) -> Result<SigningKey, String> {
    SigningKey::parse(&SecretString::from(text)).map_err(|error| error.to_string())
}

const LOG_LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Validates log directives. `EnvFilter` would take an unknown level for the name of a target. It then logs nothing else.
fn log_filter(text: &str) -> Result<String, String> {
    let mut has_default = false;
    for directive in text.split(',') {
        let (target, level) =
            directive.rsplit_once('=').map_or((None, directive), |(target, level)| (Some(target), level));
        if !LOG_LEVELS.iter().any(|known| level.eq_ignore_ascii_case(known)) {
            return Err(format!(
                "each directive must be a level ({}) or target=level{}",
                LOG_LEVELS.join(", "),
                did_you_mean(level)
            ));
        }
        let is_path = |target: &str| target.bytes().all(|c| c.is_ascii_alphanumeric() || b"_:-".contains(&c));
        if target.is_some_and(|target| target.is_empty() || !is_path(target)) {
            return Err("a target must be the path of a module, such as tenantry or sqlx::query".to_owned());
        }
        has_default |= target.is_none();
    }
    if !has_default {
        return Err(
            "has no level for the other targets, whose errors would be lost; add one, such as info,tenantry=debug"
                .to_owned(),
        );
    }
    // Checked again, since the program must be able to parse it.
    EnvFilter::try_new(text)
        .map(|_| text.to_owned())
        .map_err(|_| "isn't a log filter; set it to a level, such as info".to_owned())
}

/// Suggests the level that is similar to a misspelled one.
fn did_you_mean(level: &str) -> String {
    let similarity = |known: &str| strsim::jaro_winkler(&level.to_ascii_lowercase(), known);
    let nearest = LOG_LEVELS.into_iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    nearest.filter(|known| similarity(known) > 0.8).map(|known| format!("; did you mean {known}?")).unwrap_or_default()
}

/// Parses IP addresses and ranges. Rejects `/0`: if every client is a trusted proxy, each can choose its address.
fn proxy_ranges(text: &str) -> Result<Vec<IpNet>, String> {
    let range = |entry: &str| match entry.parse::<IpAddr>() {
        Ok(addr) => Some(addr.to_canonical().into()),
        Err(_) => parse_ip_range(entry).ok().filter(|range| range.prefix_len() > 0),
    };
    text.split(',').map(|entry| range(entry.trim())).collect::<Option<_>>().ok_or_else(|| {
        "must be comma-separated IP addresses and ranges, such as 10.0.0.1,10.0.1.0/24, without leading zeros or bits \
         beyond the prefix length; host names and /0 aren't supported"
            .to_owned()
    })
}
