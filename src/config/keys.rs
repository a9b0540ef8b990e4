//! The table of configuration keys. Loading, `.env.example` and docs/reference/configuration.md follow it.
//!
//! A new key needs a row in its section, its invalid values in `INVALID_VALUES`, and a field in its section of
//! `settings`. `just update-docs` writes the documents.

/// A configuration key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Name in the environment and in `.env`; lower-case in `tenantry.toml`.
    pub name: &'static str,
    /// Default value; `None` if `help` describes the behavior when unset.
    pub default: Option<&'static str>,
    /// Whether the value must never be shown.
    pub secret: bool,
    /// One-line description with units and limits.
    pub help: &'static str,
    /// Example value; not a secret that is in use anywhere.
    pub example: &'static str,
}

impl Key {
    const fn new(name: &'static str, default: &'static str, help: &'static str) -> Self {
        Self { name, default: Some(default), secret: false, help, example: default }
    }

    const fn unset(name: &'static str, example: &'static str, help: &'static str) -> Self {
        Self { name, default: None, secret: false, help, example }
    }

    const fn secret(name: &'static str, example: &'static str, help: &'static str) -> Self {
        Self { name, default: None, secret: true, help, example }
    }

    /// Returns the key's name in `tenantry.toml`.
    #[must_use]
    pub fn file_name(&self) -> String {
        self.name.to_ascii_lowercase()
    }

    /// Returns the key most similar to a misspelled name in `tenantry.toml`, if any is close enough.
    pub(super) fn nearest(name: &str) -> Option<&'static Self> {
        let name = name.to_ascii_lowercase().replace('-', "_");
        let distances = keys().map(|key| (strsim::levenshtein(&key.file_name(), &name), key));
        let (distance, key) = distances.min_by_key(|(distance, _)| *distance)?;
        (distance <= 1 + key.name.len() / 4).then_some(key)
    }
}

/// Returns all keys in the order of [`SECTIONS`].
pub fn keys() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|(_, keys)| *keys)
}

/// The sections of `.env.example`: title and keys.
pub const SECTIONS: &[(&str, &[Key])] = &[
    ("Environment", ENVIRONMENT),
    ("HTTP", HTTP),
    ("Database and files", DATABASE),
    ("Authentication", AUTHENTICATION),
    ("Tenants", TENANTS),
    ("Logs", LOGS),
];

const ENVIRONMENT: &[Key] =
    &[Key::new("APP_ENV", "development", "development, test or production; .env is read only in development.")];

const HTTP: &[Key] = &[
    Key::new("HTTP_HOST", "127.0.0.1", "IP address to listen on."),
    Key::new("HTTP_PORT", "8080", "Port to listen on; 0 picks a free one."),
    Key::unset("HTTP_WORKERS", "4", "Worker threads, 1 to 512. Default: one per core."),
    Key::new("HTTP_BODY_LIMIT_BYTES", "65536", "Maximum request body in bytes, 1024 to 16777216."),
    Key::new(
        "HTTP_MAX_CONNECTIONS",
        "2048",
        "Maximum open connections, 1 to 100000; fewer if the hard limit of open files is too low for twice as many.",
    ),
    Key::new(
        "HTTP_CLIENT_TIMEOUT_SECS",
        "10",
        "Seconds that a client may take to send a body, or to read a response and send the next request, 1 to 300. Below 5, \
         also for the head of its first request, and for idle connections.",
    ),
    Key::unset(
        "HTTP_DOCS",
        "true",
        "true or false: whether /docs/ serves Swagger UI. Default: true; false in production.",
    ),
    Key::unset(
        "TRUSTED_PROXIES",
        "10.0.0.1,10.0.1.0/24",
        "Comma-separated IP addresses and ranges of proxies whose FORWARDED_HEADER is trusted. Default: none.",
    ),
    Key::new(
        "FORWARDED_HEADER",
        "x-forwarded-for",
        "Header to which trusted proxies append the client's address: x-forwarded-for or forwarded (RFC 7239).",
    ),
    Key::unset(
        "PUBLIC_URL",
        "https://app.example.com",
        "Base URL of links in invitations; required in production if HTTP_HOST is 0.0.0.0 or ::. Default: the address that \
         the server listens on.",
    ),
];

const DATABASE: &[Key] = &[
    // No fixed default: it depends on APP_ENV and on the build.
    Key::unset(
        "DB_DRIVER",
        "embedded",
        "embedded or postgres. Default: embedded; postgres in production or in a build without the embedded database.",
    ),
    Key::secret(
        "DATABASE_URL",
        "postgres://tenantry:password@localhost:5432/tenantry",
        "Connection URL of the application, with percent-encoded user and password; required with the postgres driver, \
         rejected with the embedded driver.",
    ),
    Key::secret(
        "MIGRATION_DATABASE_URL",
        "postgres://owner:password@localhost:5432/tenantry",
        "Connection URL of the schema owner for migrations, only with the postgres driver. Default: DATABASE_URL.",
    ),
    Key::secret(
        "BACKUP_DATABASE_URL",
        "postgres://tenantry_backup:password@localhost:5432/tenantry",
        "Connection URL for tenantry db backup, with a login that bypasses row-level security; only with the postgres \
         driver. Default: MIGRATION_DATABASE_URL.",
    ),
    Key::unset(
        "DB_ROLE_PREFIX",
        "tenantry",
        "Prefix of the names of the database roles, only with the postgres driver. Default: the database's name.",
    ),
    Key::new("DB_POOL_SIZE", "10", "Maximum number of open connections, 1 to 500."),
    Key::new("DB_CONNECT_TIMEOUT_SECS", "5", "Maximum wait for a connection in seconds, 1 to 300."),
    Key::new("DATA_DIR", "data", "Directory of the embedded database and of generated keys."),
    Key::unset(
        "POSTGRES_BIN_DIR",
        "/usr/lib/postgresql/17/bin",
        "Directory with postgres and initdb for the embedded database. Default: PATH, then well-known directories.",
    ),
    Key::new(
        "POSTGRES_DOWNLOAD",
        "true",
        "true or false: whether the embedded database downloads PostgreSQL if none is installed.",
    ),
    Key::new("POSTGRES_DOWNLOAD_VERSION", "17.11.0", "Full version to download, 15 or newer."),
    Key::unset(
        "POSTGRES_DOWNLOAD_SHA256",
        "b7a1ba6bae6499d8296e3e81b0171eecfd1766ca9aaa0057e41ad3e844e5e2e0",
        "SHA-256 of the archive to download. Default: built in for the default version on Linux (glibc) and macOS, x86-64 \
         and ARM64; otherwise required.",
    ),
    Key::new(
        "POSTGRES_DOWNLOAD_URL",
        "https://github.com/theseus-rs/postgresql-binaries/releases/download",
        "Base URL of the releases: https, or http on this machine. HTTPS_PROXY and NO_PROXY are honored.",
    ),
    Key::unset(
        "POSTGRES_CACHE_DIR",
        "/var/cache/tenantry/postgres",
        "Directory for downloaded PostgreSQL versions. Default: tenantry/postgres in XDG_CACHE_HOME or ~/.cache.",
    ),
];

const AUTHENTICATION: &[Key] = &[
    Key::new("AUTH_ISSUER", "tenantry", "Issuer (iss) of access tokens."),
    Key::new("AUTH_AUDIENCE", "tenantry-api", "Audience (aud) of access tokens."),
    Key::new("AUTH_TOKEN_TTL_SECS", "900", "Lifetime of access tokens in seconds, 60 to 86400."),
    Key::secret(
        "AUTH_SIGNING_KEY",
        "base64-of-the-pem",
        "Ed25519 key, PKCS#8 PEM or its base64 on one line (openssl genpkey -algorithm ed25519 | openssl base64 -A); \
         required in production. Default elsewhere: generated in DATA_DIR.",
    ),
];

const TENANTS: &[Key] = &[
    Key::new(
        "TENANCY_MODE",
        "organization",
        "organization: each request names its tenant; personal: each user has a personal tenant; single: one tenant.",
    ),
    Key::new(
        "TENANT_SOURCES",
        "header",
        "Where a request names its tenant: comma-separated list of header, subdomain and claim, by precedence.",
    ),
    Key::unset(
        "TENANT_BASE_DOMAIN",
        "example.com",
        "Domain whose subdomains are tenant slugs; required with subdomain in TENANT_SOURCES, rejected otherwise.",
    ),
    Key::unset(
        "TENANT_SLUG",
        "acme",
        "Slug of the single tenant; required with TENANCY_MODE=single, rejected otherwise.",
    ),
];

const LOGS: &[Key] = &[
    Key::new("LOG_LEVEL", "info", "Log filter: a level, or directives such as info,tenantry=debug,sqlx=warn."),
    Key::new("LOG_FORMAT", "auto", "pretty, json or auto (pretty in a terminal, JSON elsewhere)."),
];

/// Invalid values of every key, in the same order: values just outside both limits of a range, or an example of each kind
/// of invalid value. Empty if the key accepts any text.
#[cfg(test)]
pub(super) const INVALID_VALUES: &[(&str, &[&str])] = &[
    ("APP_ENV", &["prod"]),
    ("HTTP_HOST", &["localhost", "127.0.0.1:80", "127.0.0.01", "127.1"]),
    ("HTTP_PORT", &["-1", "65536", "http", "+5", "05", "8080.0", "00", "8e3", "8_080"]),
    ("HTTP_WORKERS", &["0", "513", "+4", "04"]),
    ("HTTP_BODY_LIMIT_BYTES", &["1023", "16777217", "64k", "+65536", "065536", "65536.0"]),
    ("HTTP_MAX_CONNECTIONS", &["0", "100001", "+1", "01"]),
    ("HTTP_CLIENT_TIMEOUT_SECS", &["0", "301", "+1", "01"]),
    ("HTTP_DOCS", &["yes", "0"]),
    (
        "TRUSTED_PROXIES",
        &[
            "10.0.0.1/8",
            "010.0.0.1",
            "010.0.0.0/8",
            "10.0.0.0/08",
            "10.0.0.0/33",
            "0.0.0.0/0",
            "::/0",
            "10.0.0.1,,10.0.0.2",
            "proxy",
        ],
    ),
    ("FORWARDED_HEADER", &["x-real-ip", "X-Forwarded-For,Forwarded"]),
    (
        "PUBLIC_URL",
        &[
            "app.example.com",
            "/app",
            "ftp://app.example.com",
            "https://",
            "https://u:p@x",
            "https://x?y",
            "https://x#y",
            "https://x:0",
            "https://x:65536",
            "https://x:080",
            "https://x:",
            "https:x",
            "https:///x",
            "https://x y",
            "https://x\\y",
            "HTTPS://x",
        ],
    ),
    ("DB_DRIVER", &["sqlite"]),
    (
        "DATABASE_URL",
        &["mysql://localhost/app", "localhost", "postgres://u:p@ss@h/d", "postgres://u:p/w@h/d", "postgres://h/d?x=1"],
    ),
    ("MIGRATION_DATABASE_URL", &["mysql://localhost/app", "localhost"]),
    ("BACKUP_DATABASE_URL", &["mysql://localhost/app", "localhost"]),
    ("DB_ROLE_PREFIX", &["pg_shop", "shop 1", "shop\"", "fifty-seven-characters-are-too-long-for-this-prefix-value"]),
    ("DB_POOL_SIZE", &["0", "501", "+5", "05"]),
    ("DB_CONNECT_TIMEOUT_SECS", &["0", "301", "5s", "+5", "05"]),
    ("DATA_DIR", &[]),
    ("POSTGRES_BIN_DIR", &[]),
    ("POSTGRES_DOWNLOAD", &["yes", "0"]),
    ("POSTGRES_DOWNLOAD_VERSION", &["17", "17.11", "14.2.0", "latest", "17.11.0/..", "+17.11.0", "17.011.0"]),
    (
        "POSTGRES_DOWNLOAD_SHA256",
        &["b7a1ba6b", "sha256:b7a1ba6bae6499d8296e3e81b0171eecfd1766ca9aaa0057e41ad3e844e5e2e0"],
    ),
    (
        "POSTGRES_DOWNLOAD_URL",
        &[
            "http://mirror.internal/releases",
            "ftp://127.0.0.1",
            "https://",
            "releases",
            "https://u:p@mirror.internal",
            "https://mirror.internal?token=p",
            "https://mirror.internal:65536",
        ],
    ),
    ("POSTGRES_CACHE_DIR", &[]),
    ("AUTH_ISSUER", &[]),
    ("AUTH_AUDIENCE", &[]),
    ("AUTH_TOKEN_TTL_SECS", &["59", "86401", "1.5", "900.0", "+900", "0900"]),
    ("AUTH_SIGNING_KEY", &["secret", "c2VjcmV0"]),
    ("TENANCY_MODE", &["tenants", "Personal"]),
    ("TENANT_SOURCES", &["cookie", "header,header", ",", "header claim"]),
    ("TENANT_BASE_DOMAIN", &["example.com:80", "https://example.com", "127.0.0.1", "example.com"]),
    ("TENANT_SLUG", &["www", "acme"]),
    (
        "LOG_LEVEL",
        &["info,=,", "tenantry=loud", "warning", "info,tenantry", "tenantry=debug", "5", "info,", "info,[span]=debug"],
    ),
    ("LOG_FORMAT", &["xml"]),
];
