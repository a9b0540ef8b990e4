//! The one table of configuration keys. Reading, `.env.example` and the README's table all follow it.

/// One configuration key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The name in the environment and in `.env`; `tenantry.toml` has it in lower case.
    pub name: &'static str,
    /// The value when no layer sets one; `None` where being unset has a meaning of its own, which `help` tells.
    pub default: Option<&'static str>,
    /// Whether the value must never be shown.
    pub secret: bool,
    /// What the key does, in one line, with units and limits.
    pub help: &'static str,
    /// A value that is accepted; not a secret in use anywhere.
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

    /// The key's name in `tenantry.toml`.
    #[must_use]
    pub fn file_name(&self) -> String {
        self.name.to_ascii_lowercase()
    }

    /// The key that was probably meant by a name in `tenantry.toml`.
    pub(super) fn nearest(name: &str) -> Option<&'static Self> {
        let name = name.to_ascii_lowercase().replace('-', "_");
        let distances = KEYS.iter().map(|key| (distance(&key.file_name(), &name), key));
        let (distance, key) = distances.min_by_key(|(distance, _)| *distance)?;
        (distance <= 1 + key.name.len() / 4).then_some(key)
    }
}

/// Every key there is, in the order in which `.env.example` and the README list them.
pub const KEYS: &[Key] = &[
    Key::new("APP_ENV", "development", "development, test or production; .env is read in development only."),
    Key::new("HTTP_HOST", "127.0.0.1", "IP address to listen on."),
    Key::new("HTTP_PORT", "8080", "Port to listen on; 0 takes any free one."),
    Key::unset("HTTP_WORKERS", "4", "Worker threads, 1 to 1024; unset: one a core."),
    Key::new("HTTP_BODY_LIMIT_BYTES", "65536", "Largest request body in bytes, 1024 to 16777216."),
    Key::unset(
        "TRUSTED_PROXIES",
        "10.0.0.1,10.0.0.2",
        "IP addresses, with commas between, of the proxies whose word on the client's address is taken; unset: nobody's.",
    ),
    Key::unset(
        "PUBLIC_URL",
        "https://app.example.com",
        "Where people reach the program, for links that are handed to them; unset: the address that it listens on.",
    ),
    // No fixed default: it depends on APP_ENV and on the build.
    Key::unset(
        "DB_DRIVER",
        "embedded",
        "embedded or postgres; unset: embedded, but postgres in production or in a build without the embedded database.",
    ),
    Key::secret(
        "DATABASE_URL",
        "postgres://tenantry:password@localhost:5432/tenantry",
        "The application's connection; required with the postgres driver, refused with the embedded one.",
    ),
    Key::secret(
        "MIGRATION_DATABASE_URL",
        "postgres://owner:password@localhost:5432/tenantry",
        "The owner's connection, for migrations, with the postgres driver only; unset: DATABASE_URL.",
    ),
    Key::new("DB_POOL_SIZE", "10", "Most connections that are open at once, 1 to 500."),
    Key::new("DB_CONNECT_TIMEOUT_SECS", "5", "Longest wait for a connection in seconds, 1 to 300."),
    Key::new("DATA_DIR", "data", "Folder of the embedded database and of generated keys."),
    Key::unset(
        "POSTGRES_BIN_DIR",
        "/usr/lib/postgresql/17/bin",
        "Folder with postgres and initdb for the embedded database; unset: PATH and the usual places.",
    ),
    Key::new(
        "POSTGRES_DOWNLOAD",
        "true",
        "true or false: whether the embedded database downloads PostgreSQL where none is installed.",
    ),
    Key::new("POSTGRES_DOWNLOAD_VERSION", "17.11.0", "The version to download, in full; 15 or newer."),
    Key::new(
        "POSTGRES_DOWNLOAD_URL",
        "https://github.com/theseus-rs/postgresql-binaries/releases/download",
        "Where releases are downloaded from, over https, or http from this machine; HTTPS_PROXY and NO_PROXY count.",
    ),
    Key::unset(
        "POSTGRES_CACHE_DIR",
        "/var/cache/tenantry/postgres",
        "Folder that a downloaded PostgreSQL is kept in; unset: tenantry/postgres in XDG_CACHE_HOME or ~/.cache.",
    ),
    Key::new("AUTH_ISSUER", "tenantry", "Issuer (iss) of access tokens."),
    Key::new("AUTH_AUDIENCE", "tenantry-api", "Audience (aud) of access tokens."),
    Key::new("AUTH_TOKEN_TTL_SECS", "900", "Lifetime of access tokens in seconds, 60 to 86400."),
    Key::secret(
        "AUTH_SIGNING_KEY",
        "base64-of-the-pem",
        "Ed25519 key, PKCS#8 PEM or its base64 on one line (openssl genpkey -algorithm ed25519 | openssl base64 -A); \
         required in production; unset elsewhere: generated under DATA_DIR.",
    ),
    Key::new(
        "TENANCY_MODE",
        "organization",
        "organization: a request names its tenant; personal: each person has one of their own; single: there is one.",
    ),
    Key::new(
        "TENANT_SOURCES",
        "header",
        "Where an organization is named: header, subdomain, claim, with commas between; the first that names one decides.",
    ),
    Key::unset(
        "TENANT_BASE_DOMAIN",
        "example.com",
        "Domain whose subdomains are tenants; required with subdomain in TENANT_SOURCES, refused without.",
    ),
    Key::unset("TENANT_SLUG", "acme", "Slug of the one tenant; required with TENANCY_MODE=single, refused without."),
    Key::new("LOG_LEVEL", "info", "What to log: a level, or directives such as info,tenantry=debug,sqlx=warn."),
    Key::new("LOG_FORMAT", "auto", "pretty, json, or auto: pretty in a terminal, JSON elsewhere."),
];

/// How many letters to insert, delete or change to get from one to the other (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.chars().enumerate() {
            let changed = diagonal + usize::from(l != r);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.chars().count()]
}
