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
use super::validator::{Validator, from_str, one_of, whole_number};

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
