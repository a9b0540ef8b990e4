use std::{fs, num::NonZero, time::Duration};

use db::{DbDriver, PostgresConfig};
use kernel::{TenancyMode, TenantSource, TenantSources};

use super::{keys::INVALID_VALUES, *};

type Pairs<'a> = &'a [(&'a str, &'a str)];
type Outcome = Result<AppConfig, ConfigErrors>;

const URL: (&str, &str) = ("DATABASE_URL", "postgres://app:hunter2@db.internal/app");
const PRODUCTION: (&str, &str) = ("APP_ENV", "production");
const POSTGRES: (&str, &str) = ("DB_DRIVER", "postgres");
/// The example of RFC 8410, section 10.3.
const SIGNING_KEY: (&str, &str) =
    ("AUTH_SIGNING_KEY", "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC");
/// The minimal environment for development in this build.
const MINIMAL: Pairs<'_> = if cfg!(feature = "embedded") { &[] } else { &[URL] };

/// Loads from the texts of `tenantry.toml` and `.env`, and from `environment` added to [`MINIMAL`].
fn config(file: &str, dotenv: &str, environment: Pairs<'_>) -> Outcome {
    config_from(file, dotenv, &[MINIMAL, environment].concat())
}

fn config_from(file: &str, dotenv: &str, environment: Pairs<'_>) -> Outcome {
    let [file, dotenv] = [file, dotenv].map(|text| Some(Ok(text.to_owned())));
    AppConfig::from_layers(read_layers(file, dotenv, variables(environment)), ConfigScope::Server)
}

fn variables(pairs: Pairs<'_>) -> impl Iterator<Item = (OsString, OsString)> {
    pairs.iter().map(|(name, value)| (name.into(), value.into()))
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

/// Asserts that there is a single error, and how it begins.
fn assert_error(outcome: Outcome, start: &str) {
    let error = only_error(outcome);
    assert!(error.starts_with(start), "{error}");
}

/// Asserts that there are errors, and that neither they nor their `Debug` output contain `secret`.
fn assert_redacted(outcome: Outcome, secret: &str) {
    let Err(errors) = outcome else { panic!("expected an error") };
    assert!(!format!("{errors} {errors:?}").contains(secret), "{errors}");
}

mod url_secrets;

#[test]
fn development_needs_no_config() -> Result<(), ConfigErrors> {
    let config = config("", "", &[])?;
    assert_eq!(config.environment, AppEnv::Development);
    assert_eq!((config.http.host.to_string().as_str(), config.http.port), ("127.0.0.1", 8080));
    assert_eq!((config.http.workers, config.http.body_limit, config.http.docs), (None, 65536, true));
    assert_eq!((config.http.max_connections, config.http.client_timeout), (2048, Duration::from_secs(10)));
    assert!(config.http.trusted_proxies.is_empty() && config.http.public_url.is_none());
    assert_eq!(config.http.forwarded_header, ForwardedHeader::XForwardedFor);
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
            ("BACKUP_DATABASE_URL", "postgresql://backup:hunter2@standby.internal/app"),
            ("HTTP_HOST", "::"),
            ("HTTP_PORT", "0"),
            ("HTTP_WORKERS", "3"),
            ("HTTP_BODY_LIMIT_BYTES", "1024"),
            ("HTTP_DOCS", "true"),
            ("HTTP_MAX_CONNECTIONS", "100000"),
            ("HTTP_CLIENT_TIMEOUT_SECS", "300"),
            ("TRUSTED_PROXIES", "10.0.0.1, ::ffff:10.0.0.2, 10.0.1.0/24, 2001:db8::/32"),
            ("FORWARDED_HEADER", "forwarded"),
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
    let http = &config.http;
    assert_eq!((http.workers.map(NonZero::get), http.body_limit, http.docs), (Some(3), 1024, true));
    assert_eq!((config.http.max_connections, config.http.client_timeout), (100_000, Duration::from_secs(300)));
    let proxies = ["10.0.0.1/32", "10.0.0.2/32", "10.0.1.0/24", "2001:db8::/32"];
    assert_eq!(config.http.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>(), proxies);
    assert_eq!(config.http.forwarded_header, ForwardedHeader::Forwarded);
    assert_eq!(config.http.public_url.as_deref(), Some("https://app.example.com/tenantry"));
    assert_eq!((config.db.pool_size, config.db.connect_timeout), (500, Duration::from_secs(300)));
    assert!(config.db.production);
    let is_complete = |config: &PostgresConfig| config.migration_url.is_some() && config.backup_url.is_some();
    assert!(matches!(&config.db.driver, DbDriver::Postgres(config) if is_complete(config)));
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
fn environment_overrides_dotenv_and_file() -> Result<(), ConfigErrors> {
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
    assert_error(config("", "APP_ENV=test", &[]), "APP_ENV (from .env): can't be set here");
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
    let listed = INVALID_VALUES.iter().map(|(name, _)| *name);
    assert!(listed.eq(keys().map(|key| key.name)), "list each key of SECTIONS in INVALID_VALUES, in the same order");
    for (key, (_, values)) in keys().zip(INVALID_VALUES) {
        for value in *values {
            let in_environment = [POSTGRES, URL, (key.name, *value)];
            assert_error(config_from("", "", &in_environment), &format!("{} (from environment): ", key.name));

            let others: Vec<_> = [POSTGRES, URL].into_iter().filter(|(name, _)| *name != key.name).collect();
            let outcome = config_from(&format!("{} = '{value}'", key.file_name()), "", &others);
            assert_error(outcome, &format!("{} (from tenantry.toml): ", key.name));
        }
    }
}

#[test]
fn examples_are_valid() -> Result<(), ConfigErrors> {
    for key in keys().filter(|key| cfg!(feature = "embedded") || key.name != "DB_DRIVER") {
        let required = match key.name {
            "DATABASE_URL" | "DB_ROLE_PREFIX" => &[URL, POSTGRES][..],
            "MIGRATION_DATABASE_URL" | "BACKUP_DATABASE_URL" => {
                &[("DATABASE_URL", "postgres://app@localhost/tenantry"), POSTGRES]
            }
            "TENANT_BASE_DOMAIN" => &[("TENANT_SOURCES", "subdomain")],
            "TENANT_SLUG" => &[("TENANCY_MODE", "single")],
            _ => &[],
        };
        let outcome = config("", "", &[required, &[(key.name, key.example)]].concat());
        if key.name == "AUTH_SIGNING_KEY" {
            // A working example key would end up in production.
            only_error(outcome);
        } else {
            outcome?;
        }
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
    assert_error(config("[http]\nport = 1", "", &[]), "http (from tenantry.toml): unknown key; .env.example lists");
}

#[test]
fn duplicate_file_key_is_rejected() {
    for file in ["trusted_proxies = ['10.0.0.1']", "[trusted_proxies]\none = '10.0.0.1'"] {
        assert_error(config(file, "", &[]), "TRUSTED_PROXIES (from tenantry.toml): must be a single value");
    }
}

#[test]
fn duplicate_dotenv_key_is_rejected() {
    assert_error(config("", "HTTP_PORT=1\nHTTP_PORT=2", &[]), "HTTP_PORT (from .env): is set twice");
}

/// Converted to text, 8080.0 would be a valid port.
#[test]
fn float_in_file_is_rejected() {
    for file in ["http_port = 8080.0", "http_port = 8e3", "http_docs = 1.0"] {
        let error = only_error(config(file, "", &[]));
        assert!(error.ends_with("can't have a decimal point or an exponent"), "{error}");
    }
}

#[test]
fn misspelled_log_level_has_suggestion() {
    for (text, suggestion) in [
        ("warning", "warn"),
        ("err", "error"),
        ("Information", "info"),
        ("info,sqlx=tracing", "trace"),
        ("inf", "info"),
    ] {
        let error = only_error(config("", "", &[("LOG_LEVEL", text)]));
        assert!(error.ends_with(&format!("; did you mean {suggestion}?")), "{text}: {error}");
    }
    let error = only_error(config("", "", &[("LOG_LEVEL", "tenantry=debug")]));
    assert!(error.contains("has no level for the other targets"), "{error}");
}

#[test]
fn log_directives_are_accepted() -> Result<(), ConfigErrors> {
    for text in [
        "off",
        "TRACE",
        "info,tenantry=debug,sqlx::query=off",
        "actix_server=warn,error",
        "warn,embedded-postgres=info",
    ] {
        config("", "", &[("LOG_LEVEL", text)])?;
    }
    Ok(())
}

#[test]
fn public_url_is_required_on_all_interfaces() -> Result<(), ConfigErrors> {
    for host in ["0.0.0.0", "::"] {
        let host = ("HTTP_HOST", host);
        let production = [PRODUCTION, URL, SIGNING_KEY, host];
        assert_error(config_from("", "", &production), "PUBLIC_URL (not set): is required in production if HTTP_HOST");
        config_from("", "", &[&production[..], &[("PUBLIC_URL", "https://app.example.com")]].concat())?;
        // The server derives a loopback URL.
        assert_eq!(config("", "", &[host])?.http.public_url, None);
        let layers = read_layers(None, None, variables(&production));
        AppConfig::from_layers(layers, ConfigScope::DatabaseOnly)?;
    }
    Ok(())
}

#[test]
fn public_url_is_normalized() -> Result<(), ConfigErrors> {
    for (text, url) in [
        ("https://App.Example.com/", "https://app.example.com"),
        ("https://app.example.com:443/x//", "https://app.example.com/x"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ] {
        assert_eq!(config("", "", &[("PUBLIC_URL", text)])?.http.public_url.as_deref(), Some(url));
    }
    Ok(())
}

#[test]
fn malformed_file_error_has_line() {
    assert_error(
        config("http_port = 1\n\nhttp_host = 127.0.0.1", "", &[]),
        "tenantry.toml (line 3): isn't valid TOML: ",
    );

    // Well-formed, but out of range: the parser gives no location.
    assert_error(
        config("http_port = 99999999999999999999", "", &[]),
        "tenantry.toml: isn't valid TOML: number too large",
    );

    let dotenv = "# fine\nHTTP_PORT\nDATA_DIR=two words\r\n\nAUTH_AUDIENCE=\"a\nb\"\nAUTH_ISSUER='it\n\nnever ends";
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
    for key in keys().filter(|key| key.secret) {
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
            assert_redacted(config(file, dotenv, &[("HTTP_PORT", "x"), POSTGRES, (key.name, value)]), secret);
        }
    }
    // Pasted into the wrong key.
    for key in keys() {
        assert_redacted(config("", "", &[("HTTP_PORT", "x"), (key.name, URL.1), ("HTTP_HOST", URL.1)]), secret);
    }
    let migration_url = ("MIGRATION_DATABASE_URL", URL.1);
    let config = config("", "", &[PRODUCTION, URL, migration_url, SIGNING_KEY])?;
    let shown = format!("{config:?}");
    assert!(!shown.contains(secret) && !shown.contains(SIGNING_KEY.1), "{shown}");
    Ok(())
}

#[test]
fn tenancy_mode_is_read_from_keys() -> Result<(), ConfigErrors> {
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
    for (settings, key, message) in [
        (&[base][..], base.0, "is only used with subdomain in TENANT_SOURCES; add that, or unset TENANT_BASE_DOMAIN"),
        (&[slug], slug.0, "is only used with TENANCY_MODE=single; set that, or unset TENANT_SLUG"),
        (&[personal, header], header.0, "is not used with TENANCY_MODE=personal; unset TENANT_SOURCES"),
        (&[personal, base], base.0, "is not used with TENANCY_MODE=personal; unset TENANT_BASE_DOMAIN"),
        (&[personal, slug], slug.0, "is not used with TENANCY_MODE=personal; unset TENANT_SLUG"),
        (&[single, slug, header], header.0, "is not used with TENANCY_MODE=single; unset TENANT_SOURCES"),
        (&[single, slug, base], base.0, "is not used with TENANCY_MODE=single; unset TENANT_BASE_DOMAIN"),
    ] {
        assert_eq!(only_error(config("", "", settings)), format!("{key} (from environment): {message}"));
    }
    assert_eq!(
        only_error(config("", "", &[subdomain])),
        "TENANT_BASE_DOMAIN (not set): is required with subdomain in TENANT_SOURCES; set it, such as example.com"
    );
    assert_eq!(
        only_error(config("", "", &[single])),
        "TENANT_SLUG (not set): is required with TENANCY_MODE=single; set it to the tenant's slug, such as acme"
    );
    let invalid = config("", "", &[single, ("TENANT_SLUG", "www")]);
    assert_error(invalid, "TENANT_SLUG (from environment): a slug has ");
    let both = error_lines(config("", "", &[subdomain, ("TENANT_BASE_DOMAIN", "example.com:80"), slug]));
    assert_eq!(both.len(), 2, "{both:?}");
}

#[test]
fn production_requires_url_and_signing_key() -> Result<(), ConfigErrors> {
    let errors = error_lines(config_from("", "", &[PRODUCTION]));
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].starts_with("DATABASE_URL (not set): is required with APP_ENV=production"), "{errors:?}");
    assert!(errors[1].starts_with("AUTH_SIGNING_KEY (not set): is required with APP_ENV=production"), "{errors:?}");

    let error = only_error(config_from("db_driver = 'embedded'", "", &[PRODUCTION, URL, SIGNING_KEY]));
    assert!(error.starts_with("DB_DRIVER (from tenantry.toml): "), "{error}");
    assert!(error.ends_with("set DB_DRIVER=postgres and DATABASE_URL"), "{error}");

    let config = config_from("", "", &[PRODUCTION, URL, SIGNING_KEY])?;
    assert!(config.db.production && matches!(config.db.driver, DbDriver::Postgres(_)));
    assert!(!config.http.docs);
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
fn role_names_derive_from_database() -> Result<(), ConfigErrors> {
    let roles = |settings: Pairs<'_>| match config_from("", "", &[&[POSTGRES], settings].concat())?.db.driver {
        DbDriver::Postgres(PostgresConfig { roles, .. }) => Ok([roles.app().to_owned(), roles.system().to_owned()]),
        #[cfg(feature = "embedded")]
        DbDriver::Embedded(_) => unreachable!("the driver is postgres"),
    };
    assert_eq!(roles(&[URL])?, ["app_app", "app_system"]);
    let hyphen = ("DATABASE_URL", "postgres://app@db.internal/Shop-EU");
    assert_eq!(roles(&[hyphen])?, ["Shop-EU_app", "Shop-EU_system"]);
    let prefix = ("DB_ROLE_PREFIX", "shop");
    assert_eq!(roles(&[URL, prefix])?, ["shop_app", "shop_system"]);
    let unusable = ("DATABASE_URL", "postgres://app@db.internal/shop.eu");
    assert_error(config_from("", "", &[POSTGRES, unusable]), "DB_ROLE_PREFIX (not set): is required, since the name");
    assert_eq!(roles(&[unusable, prefix])?, ["shop_app", "shop_system"]);
    Ok(())
}

/// The roles of one database would be granted access to the other.
#[test]
fn migration_url_of_other_database_is_rejected() {
    let other = ("MIGRATION_DATABASE_URL", "postgres://owner@db.internal/other");
    assert_error(
        config_from("", "", &[POSTGRES, URL, other]),
        "MIGRATION_DATABASE_URL (from environment): names another",
    );
}

#[test]
fn db_commands_need_no_signing_key() -> Result<(), ConfigErrors> {
    let layers = read_layers(None, None, variables(&[PRODUCTION, URL]));
    assert!(AppConfig::from_layers(layers, ConfigScope::DatabaseOnly)?.auth.signing_key.is_none());
    Ok(())
}

#[test]
fn postgres_driver_requires_postgres_url() {
    assert_error(config_from("", "", &[POSTGRES]), "DATABASE_URL (not set): is required with DB_DRIVER=postgres");

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
    assert_error(
        config_from("", "", &[("MIGRATION_DATABASE_URL", URL.1)]),
        "MIGRATION_DATABASE_URL (from environment): ",
    );
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
        // The default pins the exact version, the source and, on the supported platforms, the archive.
        assert_eq!(download.version, db::DownloadOptions::DEFAULT_VERSION);
        assert_eq!(download.url, db::DownloadOptions::DEFAULT_URL);
        assert!(download.sha256.is_some() || cfg!(target_env = "musl"), "add the version to download/pins.rs");
        assert!(download.url.starts_with("https://"), "{}", download.url);
    }
    assert!(!download(&[("POSTGRES_DOWNLOAD", "false")])?.enabled);
    let version = ("POSTGRES_DOWNLOAD_VERSION", "18.1.0");
    assert_eq!(download(&[version])?.sha256, None);
    let configured = "AB".repeat(32);
    for environment in [
        &[("POSTGRES_DOWNLOAD_SHA256", configured.as_str())][..],
        &[version, ("POSTGRES_DOWNLOAD_SHA256", &configured)],
    ] {
        assert_eq!(download(environment)?.sha256, Some("ab".repeat(32)));
    }

    let proxied = download(&[("HTTPS_PROXY", "http://u:hunter2@proxy:3128"), ("no_proxy", "mirror.internal")])?;
    assert!(!format!("{proxied:?}").contains("hunter2"), "{proxied:?}");
    let proxy = proxied.proxy.map(|proxy| (proxy.url, proxy.no_proxy));
    assert_eq!(proxy, Some(("http://u:hunter2@proxy:3128".to_owned(), "mirror.internal".to_owned())));
    Ok(())
}

#[cfg(not(feature = "embedded"))]
#[test]
fn build_without_embedded_requires_url() {
    assert_error(config_from("", "", &[]), "DATABASE_URL (not set): is required with a build that doesn't");
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
        AppConfig::from_directory(directory.path(), variables(&[MINIMAL, extra].concat()), ConfigScope::Server)
    };
    assert_eq!(load(&[])?.http.port, 8080);
    fs::write(directory.path().join(CONFIG_FILE), "http_port = 1\ndb_pool_size = 1")?;
    fs::write(directory.path().join(DOTENV_FILE), "DB_POOL_SIZE=2")?;
    let config = load(&[])?;
    assert_eq!((config.http.port, config.db.pool_size), (1, 2));

    fs::write(directory.path().join(DOTENV_FILE), b"\xff")?;
    assert_error(load(&[]), ".env: can't be read: ");
    load(&[("APP_ENV", "test")])?;
    Ok(())
}

#[cfg(unix)]
#[test]
fn non_utf8_value_is_rejected() {
    use std::os::unix::ffi::OsStringExt as _;
    let invalid = || OsString::from_vec(vec![0xff]);
    let invalid_values = [("DATA_DIR".into(), invalid()), ("SOMETHING_ELSE".into(), invalid())];
    let layers = read_layers(None, None, variables(MINIMAL).chain(invalid_values));
    let error = only_error(AppConfig::from_layers(layers, ConfigScope::Server));
    assert_eq!(error, "DATA_DIR (from environment): must be UTF-8");
}

/// Returns the keys read by `code` that are not in [`SECTIONS`]. Reading an unknown key would silently return nothing.
fn unknown_keys(code: &str) -> Vec<&str> {
    let known = |name: &&str| keys().any(|key| key.name == *name) || layers::StandardVariables::NAMES.contains(name);
    let key = |text: &&str| text.contains('_') && text.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    code.split('"').filter(key).filter(|name| !known(name)).collect()
}

#[test]
fn every_read_key_is_declared() -> std::io::Result<()> {
    assert_eq!(unknown_keys(r#"self.value("HTTP_PROT", text); self.value("HTTP_PORT", text)"#), ["HTTP_PROT"]);
    for file in ["settings.rs", "settings/database.rs", "settings/tenancy.rs", "layers.rs"] {
        let code = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config").join(file))?;
        let unknown = unknown_keys(&code);
        assert!(unknown.is_empty(), "src/config/{file} reads {unknown:?}; add them to src/config/keys.rs");
    }
    Ok(())
}

#[test]
fn every_declared_key_is_read() -> Result<(), ConfigErrors> {
    // The other keys are covered by `invalid_value_error_names_key_and_origin`.
    let only_embedded = ["POSTGRES_BIN_DIR", "POSTGRES_CACHE_DIR"];
    let free_text_keys = INVALID_VALUES.iter().filter(|(_, values)| values.is_empty()).map(|(name, _)| *name);
    for key in free_text_keys.filter(|key| cfg!(feature = "embedded") || !only_embedded.contains(key)) {
        let shown = format!("{:?}", config("", "", &[(key, "/some/other")])?);
        assert!(shown.contains("/some/other"), "{key} has no effect; read it in src/config/settings.rs or remove it");
    }
    Ok(())
}
