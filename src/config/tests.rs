use std::fs;

use kernel::{
    contracts::{TenantSource, TenantSources},
    db::{DbDriver, PostgresConfig},
};

use super::*;

type Pairs<'a> = &'a [(&'a str, &'a str)];
type Outcome = Result<AppConfig, ConfigErrors>;

const URL: (&str, &str) = ("DATABASE_URL", "postgres://app:hunter2@db.internal/app");
const PRODUCTION: (&str, &str) = ("APP_ENV", "production");
const POSTGRES: (&str, &str) = ("DB_DRIVER", "postgres");
/// The example of RFC 8410, section 10.3.
const SIGNING_KEY: (&str, &str) =
    ("AUTH_SIGNING_KEY", "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC");
/// Keys that accept any text.
const FREE_TEXT_KEYS: [&str; 5] =
    ["DATA_DIR", "POSTGRES_BIN_DIR", "POSTGRES_CACHE_DIR", "AUTH_ISSUER", "AUTH_AUDIENCE"];
/// The minimal environment for development in this build.
const MINIMAL: Pairs<'_> = if cfg!(feature = "embedded") { &[] } else { &[URL] };

/// Loads from the texts of `tenantry.toml` and `.env`, and from `environment` added to [`MINIMAL`].
fn config(file: &str, dotenv: &str, environment: Pairs<'_>) -> Outcome {
    config_from(file, dotenv, &[MINIMAL, environment].concat())
}

fn config_from(file: &str, dotenv: &str, environment: Pairs<'_>) -> Outcome {
    AppConfig::from_sources(Sources {
        file: Some((CONFIG_FILE, file)),
        dotenv: Some((DOTENV_FILE, dotenv)),
        environment: environment.iter().copied(),
        scope: ConfigScope::Server,
    })
}

/// Returns the lines of the error message without its heading.
fn error_lines(outcome: Outcome) -> Vec<String> {
    match outcome {
        Ok(config) => panic!("expected an error: {config:?}"),
        Err(errors) => errors.to_string().lines().skip(1).map(str::to_owned).collect(),
    }
}

fn only_error(outcome: Outcome) -> String {
    let mut error_lines = error_lines(outcome);
    assert_eq!(error_lines.len(), 1, "{error_lines:?}");
    error_lines.remove(0)
}

#[test]
fn development_needs_no_config() -> Result<(), ConfigErrors> {
    let config = config("", "", &[])?;
    assert_eq!(config.environment, AppEnv::Development);
    assert_eq!((config.http.host.to_string().as_str(), config.http.port), ("127.0.0.1", 8080));
    assert_eq!((config.http.workers, config.http.body_limit), (None, 65536));
    assert!(config.http.trusted_proxies.is_empty() && config.http.public_url.is_none());
    assert_eq!((config.db.pool_size, config.db.connect_timeout), (10, Duration::from_secs(5)));
    assert!(!config.db.production);
    assert_eq!(config.db.migrate_on_start, cfg!(feature = "embedded"));
    assert_eq!((config.auth.issuer.as_str(), config.auth.audience.as_str()), ("tenantry", "tenantry-api"));
    assert_eq!(config.auth.token_ttl, Duration::from_secs(900));
    assert!(config.auth.signing_key.is_none());
    assert_eq!(config.tenancy, TenancyMode::default());
    assert_eq!(config.data_dir, Path::new("data"));
    assert_eq!((config.log.filter.as_str(), config.log.format), ("info", LogFormat::Auto));
    Ok(())
}

#[test]
fn every_key_is_applied() -> Result<(), ConfigErrors> {
    let config = config(
        "",
        "",
        &[
            PRODUCTION,
            URL,
            SIGNING_KEY,
            ("MIGRATION_DATABASE_URL", "postgresql://owner:hunter2@db.internal/app"),
            ("HTTP_HOST", "::"),
            ("HTTP_PORT", "0"),
            ("HTTP_WORKERS", "3"),
            ("HTTP_BODY_LIMIT_BYTES", "1024"),
            ("TRUSTED_PROXIES", "10.0.0.1, ::ffff:10.0.0.2"),
            ("PUBLIC_URL", "https://app.example.com/tenantry/"),
            ("DB_POOL_SIZE", "500"),
            ("DB_CONNECT_TIMEOUT_SECS", "300"),
            ("DATA_DIR", "/srv/data"),
            ("AUTH_ISSUER", "https://issuer"),
            ("AUTH_AUDIENCE", "api"),
            ("AUTH_TOKEN_TTL_SECS", "60"),
            ("TENANCY_MODE", "organization"),
            ("TENANT_SOURCES", "subdomain, claim"),
            ("TENANT_BASE_DOMAIN", "Example.com"),
            ("LOG_LEVEL", "info,sqlx=warn"),
            ("LOG_FORMAT", "json"),
        ],
    )?;
    assert_eq!(config.environment, AppEnv::Production);
    assert_eq!((config.http.host.to_string().as_str(), config.http.port), ("::", 0));
    assert_eq!((config.http.workers.map(NonZero::get), config.http.body_limit), (Some(3), 1024));
    let proxies = ["10.0.0.1", "10.0.0.2"];
    assert_eq!(config.http.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>(), proxies);
    assert_eq!(config.http.public_url.as_deref(), Some("https://app.example.com/tenantry"));
    assert_eq!((config.db.pool_size, config.db.connect_timeout), (500, Duration::from_secs(300)));
    assert!(config.db.production);
    assert!(matches!(config.db.driver, DbDriver::Postgres(PostgresConfig { migration_url: Some(_), .. })));
    assert_eq!(config.data_dir, Path::new("/srv/data"));
    assert_eq!((config.auth.issuer.as_str(), config.auth.audience.as_str()), ("https://issuer", "api"));
    assert_eq!(config.auth.token_ttl, Duration::from_secs(60));
    assert!(config.auth.signing_key.is_some());
    assert_eq!(config.tenancy.base_domain().map(ToString::to_string).as_deref(), Some("example.com"));
    assert!(config.tenancy.sources().last() == Some(&TenantSource::Claim) && !config.tenancy.reads_header());
    assert_eq!((config.log.filter.as_str(), config.log.format), ("info,sqlx=warn", LogFormat::Json));
    Ok(())
}

#[test]
fn layer_precedence() -> Result<(), ConfigErrors> {
    let file = "http_port = 1\ndb_pool_size = 1\nauth_token_ttl_secs = 61";
    let config = config(file, "HTTP_PORT=2\nDB_POOL_SIZE=2", &[("HTTP_PORT", "3")])?;
    assert_eq!(config.http.port, 3);
    assert_eq!(config.db.pool_size, 2);
    assert_eq!(config.auth.token_ttl, Duration::from_secs(61));
    assert_eq!(config.http.body_limit, 65536);
    Ok(())
}

#[test]
fn blank_value_is_unset() -> Result<(), ConfigErrors> {
    let config = config("http_port = 1\nlog_level = ''", "HTTP_PORT=", &[("HTTP_PORT", " "), ("DATA_DIR", "")])?;
    assert_eq!((config.http.port, config.log.filter.as_str()), (1, "info"));
    assert_eq!(config.tenancy, TenancyMode::default());
    assert_eq!(config.data_dir, Path::new("data"));
    Ok(())
}

#[test]
fn dotenv_is_development_only() -> Result<(), ConfigErrors> {
    for (environment, port) in [("development", 2), ("test", 8080), ("production", 8080)] {
        let file = format!("app_env = '{environment}'");
        let required = if environment == "production" { &[URL, SIGNING_KEY][..] } else { &[] };
        assert_eq!(config(&file, "HTTP_PORT=2", required)?.http.port, port, "{environment} in the file");
        let environment = [required, &[("APP_ENV", environment)]].concat();
        assert_eq!(config("", "HTTP_PORT=2", &environment)?.http.port, port, "{environment:?}");
    }
    // A malformed .env is ignored, too.
    config("app_env = 'test'", "nonsense", &[])?;
    Ok(())
}

#[test]
fn dotenv_cannot_set_environment() -> Result<(), ConfigErrors> {
    let error = only_error(config("", "APP_ENV=test", &[]));
    assert!(error.starts_with("APP_ENV (from .env): can't be set here"), "{error}");
    config("", "APP_ENV=development", &[])?;
    config("", "APP_ENV=test", &[("APP_ENV", "development")])?;
    Ok(())
}

#[test]
fn dotenv_ignores_unrelated_keys() -> Result<(), ConfigErrors> {
    let config = config("", "\u{feff}COMPOSE_PROFILES=db\nexport HTTP_PORT='2' # two ", &[])?;
    assert_eq!(config.http.port, 2);
    Ok(())
}

#[test]
fn all_errors_are_reported() {
    let file = "http_prot = 1\nauth_token_ttl_secs = 1";
    let environment = &[("HTTP_HOST", "localhost"), ("LOG_FORMAT", "xml"), ("PGOPTIONS", "-c role=postgres")];
    let Err(errors) = config(file, "DB_POOL_SIZE=0", environment) else { panic!("expected an error") };
    assert_eq!(
        errors.to_string(),
        "the configuration has 6 errors; nothing was started\n\
         http_prot (from tenantry.toml): unknown key; did you mean http_port?\n\
         PGOPTIONS (from environment): must be unset, because sqlx applies it to every connection\n\
         HTTP_HOST (from environment): must be an IP address, such as 127.0.0.1 or ::1\n\
         DB_POOL_SIZE (from .env): must be a whole number from 1 to 500\n\
         AUTH_TOKEN_TTL_SECS (from tenantry.toml): must be a whole number from 60 to 86400\n\
         LOG_FORMAT (from environment): must be one of: auto, pretty, json"
    );
}

#[test]
fn invalid_value_error_names_key_and_origin() {
    // For every key: values just outside both limits of a range, or an example of each kind of invalid value.
    let invalid = [
        ("APP_ENV", &["prod"][..]),
        ("HTTP_HOST", &["localhost", "127.0.0.1:80"]),
        ("HTTP_PORT", &["-1", "65536", "http"]),
        ("HTTP_WORKERS", &["0", "1025"]),
        ("HTTP_BODY_LIMIT_BYTES", &["1023", "16777217", "64k"]),
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
            ],
        ),
        ("TRUSTED_PROXIES", &["10.0.0.0/8", "10.0.0.1,,10.0.0.2", "proxy"]),
        ("DB_DRIVER", &["sqlite"]),
        ("DATABASE_URL", &["mysql://localhost/app", "localhost"]),
        ("MIGRATION_DATABASE_URL", &["mysql://localhost/app", "localhost"]),
        ("DB_POOL_SIZE", &["0", "501"]),
        ("POSTGRES_DOWNLOAD", &["yes", "0"]),
        ("POSTGRES_DOWNLOAD_VERSION", &["17", "17.11", "14.2.0", "latest", "17.11.0/.."]),
        ("POSTGRES_DOWNLOAD_URL", &["http://mirror.internal/releases", "ftp://127.0.0.1", "https://", "releases"]),
        ("DB_CONNECT_TIMEOUT_SECS", &["0", "301", "5s"]),
        ("AUTH_TOKEN_TTL_SECS", &["59", "86401", "1.5"]),
        ("TENANCY_MODE", &["tenants", "Personal"]),
        ("TENANT_SOURCES", &["cookie", "header,header", ",", "header claim"]),
        ("TENANT_BASE_DOMAIN", &["example.com:80", "https://example.com", "127.0.0.1", "example.com"]),
        ("TENANT_SLUG", &["www", "acme"]),
        ("LOG_FORMAT", &["xml"]),
        ("AUTH_SIGNING_KEY", &["secret", "c2VjcmV0"]),
        ("LOG_LEVEL", &["info,=,", "tenantry=loud"]),
    ];
    for key in KEYS {
        let values = invalid.iter().find(|(name, _)| *name == key.name).map(|(_, values)| *values);
        assert_ne!(values.is_some(), FREE_TEXT_KEYS.contains(&key.name), "{} needs an invalid value here", key.name);
        for value in values.unwrap_or_default() {
            let in_environment = [&[POSTGRES, URL][..], &[(key.name, *value)]].concat();
            let error = only_error(config_from("", "", &in_environment));
            assert!(error.starts_with(&format!("{} (from environment): ", key.name)), "{error}");

            let others: Vec<_> = [POSTGRES, URL].into_iter().filter(|(name, _)| *name != key.name).collect();
            let error = only_error(config_from(&format!("{} = '{value}'", key.file_name()), "", &others));
            assert!(error.starts_with(&format!("{} (from tenantry.toml): ", key.name)), "{error}");
        }
    }
}

#[test]
fn examples_are_valid() -> Result<(), ConfigErrors> {
    // A working example key would end up in production.
    let must_fail = |key: &&Key| key.name == "AUTH_SIGNING_KEY";
    for key in KEYS.iter().filter(must_fail) {
        only_error(config("", "", &[(key.name, key.example)]));
    }
    for key in KEYS.iter().filter(|key| !must_fail(key) && (cfg!(feature = "embedded") || key.name != "DB_DRIVER")) {
        let required = match key.name {
            "DATABASE_URL" | "MIGRATION_DATABASE_URL" => &[URL, POSTGRES][..],
            "TENANT_BASE_DOMAIN" => &[("TENANT_SOURCES", "subdomain")],
            "TENANT_SLUG" => &[("TENANCY_MODE", "single")],
            _ => &[],
        };
        config("", "", &[required, &[(key.name, key.example)]].concat())?;
    }
    Ok(())
}

#[test]
fn unknown_key_suggests_nearest() {
    for (name, meant) in [
        ("http_prot", "http_port"),
        ("HTTP_PORT", "http_port"),
        ("log-level", "log_level"),
        ("databse_url", "database_url"),
    ] {
        let error = only_error(config(&format!("{name} = 1"), "", &[]));
        let expected = format!("{name} (from tenantry.toml): unknown key; did you mean {meant}?");
        assert_eq!(error, expected);
    }
    let error = only_error(config("[http]\nport = 1", "", &[]));
    assert!(error.starts_with("http (from tenantry.toml): unknown key; .env.example lists"), "{error}");
}

#[test]
fn duplicate_file_key_is_rejected() {
    for file in ["trusted_proxies = ['10.0.0.1']", "[trusted_proxies]\none = '10.0.0.1'"] {
        let error = only_error(config(file, "", &[]));
        assert!(error.starts_with("TRUSTED_PROXIES (from tenantry.toml): must be a single value"), "{error}");
    }
}

#[test]
fn duplicate_dotenv_key_is_rejected() {
    let error = only_error(config("", "HTTP_PORT=1\nHTTP_PORT=2", &[]));
    assert!(error.starts_with("HTTP_PORT (from .env): is set twice"), "{error}");
}

#[test]
fn malformed_file_error_has_line() {
    let error = only_error(config("http_port = 1\n\nhttp_host = 127.0.0.1", "", &[]));
    assert!(error.starts_with("tenantry.toml (line 3): isn't valid TOML: "), "{error}");

    // Well-formed, but out of range: the parser gives no location.
    let error = only_error(config("http_port = 99999999999999999999", "", &[]));
    assert!(error.starts_with("tenantry.toml: isn't valid TOML: number too large"), "{error}");

    let dotenv = "# fine\nHTTP_PORT\nDATA_DIR=two words\r\n\nLOG_LEVEL=\"a\nb\"\nAUTH_ISSUER='it\n\nnever ends";
    let lines: Vec<_> = error_lines(config("", dotenv, &[])).iter().map(|line| line[..14].to_owned()).collect();
    assert_eq!(lines, [".env (line 2):", ".env (line 3):", ".env (line 7):"]);
}

#[test]
fn malformed_file_does_not_mask_errors() {
    // The malformed file may set the environment, the driver and the keys required in production.
    assert_eq!(error_lines(config_from("?", "nonsense", &[URL, ("HTTP_PORT", "x")])).len(), 2);
    assert_eq!(error_lines(config_from("?", "nonsense", &[PRODUCTION, ("HTTP_PORT", "x")])).len(), 2);
    assert_eq!(error_lines(config_from("", "nonsense", &[POSTGRES, ("HTTP_PORT", "x")])).len(), 2);
    // It may also set the tenancy mode.
    for key in [("TENANT_SLUG", "acme"), ("TENANT_BASE_DOMAIN", "example.com"), ("TENANT_SOURCES", "subdomain")] {
        only_error(config_from("?", "", &[POSTGRES, URL, key]));
    }
    let organization = [POSTGRES, URL, ("TENANCY_MODE", "organization"), ("TENANT_BASE_DOMAIN", "example.com")];
    only_error(config_from("?", "", &organization));
}

#[test]
fn debug_redacts_secrets() -> Result<(), ConfigErrors> {
    let secret = "hunter2";
    for key in KEYS.iter().filter(|key| key.secret) {
        let name = key.file_name();
        let assignment = format!("{}={secret} {secret}", key.name);
        let values = [
            ("", "", secret),
            ("", "", &format!("mysql://root:{secret}@localhost/app")),
            ("", "", &format!("{secret}:{secret}@localhost/app")),
            ("", &assignment, ""),
            ("", &format!("{}=\"{secret}", key.name), ""),
            (&format!("{name} = {secret}"), "", ""),
            (&format!("{name} = '{secret}"), "", ""),
            (&format!("{name} = ['{secret}']"), "", ""),
            (&format!("{name} = '{secret}'\n{name} = '{secret}'"), "", ""),
        ];
        for (file, dotenv, value) in values {
            // The invalid port makes sure that there is always an error.
            let outcome = config(file, dotenv, &[("HTTP_PORT", "x"), POSTGRES, (key.name, value)]);
            let Err(errors) = outcome else { panic!("expected an error") };
            assert!(!format!("{errors} {errors:?}").contains(secret), "{errors}");
        }
    }
    // Pasted into the wrong key.
    for key in KEYS {
        let outcome = config("", "", &[("HTTP_PORT", "x"), (key.name, URL.1), ("HTTP_HOST", URL.1)]);
        let Err(errors) = outcome else { panic!("expected an error") };
        assert!(!format!("{errors} {errors:?}").contains(secret), "{errors}");
    }
    let migration_url = ("MIGRATION_DATABASE_URL", URL.1);
    let config = config("", "", &[PRODUCTION, URL, migration_url, SIGNING_KEY])?;
    let shown = format!("{config:?}");
    assert!(!shown.contains(secret) && !shown.contains(SIGNING_KEY.1), "{shown}");
    Ok(())
}

#[test]
fn tenancy_mode_keys() -> Result<(), ConfigErrors> {
    let tenancy = |settings: Pairs<'_>| config("", "", settings).map(|config| config.tenancy);
    let (personal, single) = (("TENANCY_MODE", "personal"), ("TENANCY_MODE", "single"));
    let base = "example.com".parse().ok();
    let sources = TenantSources::parse("claim,subdomain", base).map(TenancyMode::Organization);
    let given = &[("TENANT_SOURCES", "claim, subdomain"), ("TENANT_BASE_DOMAIN", "EXAMPLE.com")];
    assert_eq!(Ok(tenancy(given)?), sources);
    assert_eq!(tenancy(&[personal])?, TenancyMode::Personal);
    assert!(
        matches!(tenancy(&[single, ("TENANT_SLUG", "acme")])?, TenancyMode::Single(slug) if slug.as_str() == "acme")
    );
    Ok(())
}

#[test]
fn key_of_other_mode_is_rejected() {
    let (personal, single) = (("TENANCY_MODE", "personal"), ("TENANCY_MODE", "single"));
    let (base, slug) = (("TENANT_BASE_DOMAIN", "example.com"), ("TENANT_SLUG", "acme"));
    let (header, subdomain) = (("TENANT_SOURCES", "header"), ("TENANT_SOURCES", "subdomain"));
    let personal_error = "is not used with TENANCY_MODE=personal; unset";
    let single_error = "is not used with TENANCY_MODE=single; unset";
    for (settings, expected) in [
        (
            &[base][..],
            "TENANT_BASE_DOMAIN (from environment): is only used with subdomain in TENANT_SOURCES; add that, or unset \
             TENANT_BASE_DOMAIN"
                .to_owned(),
        ),
        (
            &[subdomain],
            "TENANT_BASE_DOMAIN (not set): is required with subdomain in TENANT_SOURCES; set it, such as example.com"
                .into(),
        ),
        (
            &[slug],
            "TENANT_SLUG (from environment): is only used with TENANCY_MODE=single; set that, or unset TENANT_SLUG"
                .into(),
        ),
        (&[personal, header], format!("TENANT_SOURCES (from environment): {personal_error} TENANT_SOURCES")),
        (&[personal, base], format!("TENANT_BASE_DOMAIN (from environment): {personal_error} TENANT_BASE_DOMAIN")),
        (&[personal, slug], format!("TENANT_SLUG (from environment): {personal_error} TENANT_SLUG")),
        (
            &[single],
            "TENANT_SLUG (not set): is required with TENANCY_MODE=single; set it to the tenant's slug, such as acme"
                .into(),
        ),
        (&[single, slug, header], format!("TENANT_SOURCES (from environment): {single_error} TENANT_SOURCES")),
        (&[single, slug, base], format!("TENANT_BASE_DOMAIN (from environment): {single_error} TENANT_BASE_DOMAIN")),
    ] {
        assert_eq!(only_error(config("", "", settings)), expected, "{settings:?}");
    }
    let invalid = only_error(config("", "", &[single, ("TENANT_SLUG", "www")]));
    assert!(invalid.starts_with("TENANT_SLUG (from environment): a slug has "), "{invalid}");
    let both = error_lines(config("", "", &[subdomain, ("TENANT_BASE_DOMAIN", "example.com:80"), slug]));
    assert_eq!(both.len(), 2, "{both:?}");
}

#[test]
fn production_requires_url_and_signing_key() -> Result<(), ConfigErrors> {
    let error_lines = error_lines(config_from("", "", &[PRODUCTION]));
    assert_eq!(error_lines.len(), 2, "{error_lines:?}");
    assert!(
        error_lines[0].starts_with("DATABASE_URL (not set): is required with APP_ENV=production"),
        "{error_lines:?}"
    );
    assert!(
        error_lines[1].starts_with("AUTH_SIGNING_KEY (not set): is required with APP_ENV=production"),
        "{error_lines:?}"
    );

    let error = only_error(config_from("db_driver = 'embedded'", "", &[PRODUCTION, URL, SIGNING_KEY]));
    assert!(error.starts_with("DB_DRIVER (from tenantry.toml): "), "{error}");
    assert!(error.ends_with("set DB_DRIVER=postgres and DATABASE_URL"), "{error}");

    let config = config_from("", "", &[PRODUCTION, URL, SIGNING_KEY])?;
    assert!(config.db.production && matches!(config.db.driver, DbDriver::Postgres(_)));
    Ok(())
}

#[test]
fn auto_migrate_is_local_development_only() -> Result<(), ConfigErrors> {
    let here = ("DATABASE_URL", "postgres://app@127.0.0.1:5433/app");
    let elsewhere = ("MIGRATION_DATABASE_URL", "postgres://owner@db.internal/app");
    for (settings, migrates) in [
        (&[POSTGRES, here][..], true),
        (&[POSTGRES, here, elsewhere], false),
        (&[POSTGRES, URL], false),
        (&[POSTGRES, here, ("APP_ENV", "test")], false),
        (&[POSTGRES, here, PRODUCTION, SIGNING_KEY], false),
    ] {
        assert_eq!(config_from("", "", settings)?.db.migrate_on_start, migrates, "{settings:?}");
    }
    Ok(())
}

#[test]
fn db_commands_need_no_signing_key() -> Result<(), ConfigErrors> {
    let environment = [PRODUCTION, URL];
    let sources = Sources { file: None, dotenv: None, environment, scope: ConfigScope::DatabaseOnly };
    assert!(AppConfig::from_sources(sources)?.auth.signing_key.is_none());
    Ok(())
}

#[test]
fn postgres_driver_requires_postgres_url() {
    let error = only_error(config_from("", "", &[POSTGRES]));
    assert!(error.starts_with("DATABASE_URL (not set): is required with DB_DRIVER=postgres"), "{error}");

    let error = only_error(config_from("", "", &[POSTGRES, ("DATABASE_URL", "mysql://root@db.internal/app")]));
    assert!(error.contains("its scheme is mysql") && !error.contains("internal"), "{error}");
}

#[cfg(feature = "embedded")]
#[test]
fn embedded_driver_rejects_url() {
    for environment in [&[URL][..], &[URL, ("DB_DRIVER", "embedded")], &[URL, ("APP_ENV", "test")]] {
        assert_eq!(
            only_error(config_from("", "", environment)),
            "DATABASE_URL (from environment): is not used by the embedded driver; set DB_DRIVER=postgres to use it, \
             or unset DATABASE_URL to use the embedded database"
        );
    }
    let error = only_error(config_from("", "", &[("MIGRATION_DATABASE_URL", URL.1)]));
    assert!(error.starts_with("MIGRATION_DATABASE_URL (from environment): "), "{error}");
}

#[cfg(feature = "embedded")]
#[test]
fn embedded_data_dir_is_configured_folder() -> Result<(), ConfigErrors> {
    let config = config_from(
        "",
        "",
        &[("DATA_DIR", "/srv/data"), ("POSTGRES_BIN_DIR", "/opt/pg/bin"), ("PATH", "/usr/bin:/bin")],
    )?;
    let DbDriver::Embedded(embedded) = config.db.driver else { panic!("wrong driver: {config:?}") };
    assert_eq!(embedded.root, Path::new("/srv/data/postgres"));
    assert_eq!(embedded.bin_dir.as_deref(), Some(Path::new("/opt/pg/bin")));
    assert_eq!(embedded.search_path, Some("/usr/bin:/bin".into()));
    assert!(embedded.durable);
    Ok(())
}

#[cfg(feature = "embedded")]
#[test]
fn download_defaults_to_user_cache() -> Result<(), ConfigErrors> {
    let download = |environment: Pairs<'_>| match config_from("", "", environment)?.db.driver {
        DbDriver::Embedded(embedded) => Ok(embedded.download.unwrap_or_else(|| panic!("no download settings"))),
        other => panic!("wrong driver: {other:?}"),
    };
    for (environment, cache) in [
        (&[("HOME", "/home/alice")][..], "/home/alice/.cache/tenantry/postgres"),
        (&[("HOME", "/home/alice"), ("XDG_CACHE_HOME", "/cache")], "/cache/tenantry/postgres"),
        (&[("HOME", "/home/alice"), ("XDG_CACHE_HOME", "not/absolute")], "/home/alice/.cache/tenantry/postgres"),
        (&[("HOME", "/home/alice"), ("POSTGRES_CACHE_DIR", "/srv/pg")], "/srv/pg"),
        (&[("DATA_DIR", "/srv/data")], "/srv/data/cache"),
    ] {
        let download = download(environment)?;
        assert_eq!(download.cache, Path::new(cache));
        assert!(download.enabled && download.proxy.is_none());
        // The default pins the exact version and the source.
        assert_eq!(download.version, "17.11.0");
        assert!(download.url.starts_with("https://"), "{}", download.url);
    }
    assert!(!download(&[("POSTGRES_DOWNLOAD", "false")])?.enabled);

    let proxied = download(&[("HTTPS_PROXY", "http://u:hunter2@proxy:3128"), ("no_proxy", "mirror.internal")])?;
    assert!(!format!("{proxied:?}").contains("hunter2"), "{proxied:?}");
    let proxy = proxied.proxy.map(|proxy| (proxy.url, proxy.no_proxy));
    assert_eq!(proxy, Some(("http://u:hunter2@proxy:3128".to_owned(), "mirror.internal".to_owned())));
    Ok(())
}

#[cfg(not(feature = "embedded"))]
#[test]
fn build_without_embedded_requires_url() {
    let error = only_error(config_from("", "", &[]));
    assert!(error.starts_with("DATABASE_URL (not set): is required with a build that doesn't"), "{error}");
    assert_eq!(
        only_error(config_from("", "", &[("DB_DRIVER", "embedded")])),
        "DB_DRIVER (from environment): this build doesn't contain the embedded database; \
         set DB_DRIVER=postgres and DATABASE_URL"
    );
}

#[test]
fn missing_config_files_are_optional() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let load = |extra: Pairs<'_>| {
        let pairs = [MINIMAL, extra].concat();
        let environment = pairs.iter().map(|(name, value)| (name.into(), value.into()));
        AppConfig::from_directory(directory.path(), environment, ConfigScope::Server)
    };
    assert_eq!(load(&[])?.http.port, 8080);
    fs::write(directory.path().join(CONFIG_FILE), "http_port = 1\ndb_pool_size = 1")?;
    fs::write(directory.path().join(DOTENV_FILE), "DB_POOL_SIZE=2")?;
    let config = load(&[])?;
    assert_eq!((config.http.port, config.db.pool_size), (1, 2));

    fs::write(directory.path().join(DOTENV_FILE), b"\xff")?;
    let error = only_error(load(&[]));
    assert!(error.starts_with(".env: can't be read: "), "{error}");
    load(&[("APP_ENV", "test")])?;
    Ok(())
}

#[cfg(unix)]
#[test]
fn non_utf8_value_is_rejected() {
    use std::os::unix::ffi::OsStringExt as _;
    let invalid = || OsString::from_vec(vec![0xff]);
    let required = MINIMAL.iter().map(|(name, value)| (name.into(), value.into()));
    let environment = required.chain([("DATA_DIR".into(), invalid()), ("SOMETHING_ELSE".into(), invalid())]);
    let sources = Sources { file: None, dotenv: None, environment, scope: ConfigScope::Server };
    let error = only_error(AppConfig::from_sources::<_, OsString, OsString>(sources));
    assert_eq!(error, "DATA_DIR (from environment): must be UTF-8");
}

/// Reads a file of the project.
fn project_file(name: &str) -> std::io::Result<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
}

#[test]
fn env_example_matches_keys() -> std::io::Result<()> {
    let text = project_file(".env.example")?;
    let lines: Vec<_> = text.lines().collect();
    // Pairs of `# description` and `#KEY=value`. Keys are commented out, so that a copy of the file changes nothing.
    let listed: Vec<_> = lines
        .windows(2)
        .filter(|pair| pair[1].strip_prefix('#').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase())))
        .map(|pair| (pair[0].to_owned(), pair[1].to_owned()))
        .collect();
    let expected: Vec<_> = KEYS
        .iter()
        .map(|key| (format!("# {}", key.help), format!("#{}={}", key.name, key.default.unwrap_or(key.example))))
        .collect();
    assert_eq!(listed, expected);
    let others = lines.iter().find(|line| !line.is_empty() && !line.starts_with('#'));
    assert_eq!(others, None, ".env.example must not set any key");
    Ok(())
}

/// Returns the keys read by `code` that are not in [`KEYS`]. Reading an unknown key would silently return nothing.
fn unknown_keys(code: &str) -> Vec<&str> {
    let known =
        |name: &&str| KEYS.iter().any(|key| key.name == *name) || layers::StandardVariables::NAMES.contains(name);
    let key = |text: &&str| text.contains('_') && text.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    code.split('"').filter(key).filter(|name| !known(name)).collect()
}

#[test]
fn every_read_key_is_declared() -> std::io::Result<()> {
    assert_eq!(unknown_keys(r#"self.value("HTTP_PROT", text); self.value("HTTP_PORT", text)"#), ["HTTP_PROT"]);
    for file in ["validate.rs", "validate/tenancy.rs", "layers.rs"] {
        let code = project_file(&format!("src/config/{file}"))?;
        assert_eq!(
            unknown_keys(&code),
            [""; 0],
            "src/config/{file} reads a key that is missing in src/config/keys.rs; add it"
        );
    }
    Ok(())
}

#[test]
fn every_declared_key_is_read() -> Result<(), ConfigErrors> {
    // The other keys are covered by `invalid_value_error_names_key_and_origin`.
    let only_embedded = ["POSTGRES_BIN_DIR", "POSTGRES_CACHE_DIR"];
    for key in FREE_TEXT_KEYS.iter().filter(|key| cfg!(feature = "embedded") || !only_embedded.contains(key)) {
        let shown = format!("{:?}", config("", "", &[(key, "/some/other")])?);
        assert!(shown.contains("/some/other"), "{key} has no effect; read it in src/config/validate.rs or remove it");
    }
    Ok(())
}
