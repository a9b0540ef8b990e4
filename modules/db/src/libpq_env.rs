//! Connection URLs as environment variables of PostgreSQL's client programs. Unlike arguments, other users of the
//! machine can't read them.

use sqlx::{ConnectOptions, postgres::PgConnectOptions};
use url::form_urlencoded;

use super::DatabaseUrl;

/// Variables of the parameters in the URL that sqlx prints.
const PARAMETERS: [(&str, &str); 4] =
    [("sslmode", "PGSSLMODE"), ("sslrootcert", "PGSSLROOTCERT"), ("sslcert", "PGSSLCERT"), ("sslkey", "PGSSLKEY")];

impl DatabaseUrl {
    /// Returns variables with which the client programs connect as this program does: with the same login, password and
    /// TLS.
    pub(super) fn libpq_env(&self, production: bool) -> Vec<(&'static str, String)> {
        let options = self.options(production);
        let host = match options.get_socket() {
            Some(socket_dir) => socket_dir.display().to_string(),
            None => options.get_host().to_owned(),
        };
        let mut variables = vec![
            ("PGHOST", host),
            ("PGPORT", options.get_port().to_string()),
            ("PGUSER", options.get_username().to_owned()),
            ("PGDATABASE", self.database()),
            // libpq would prefer it to TLS.
            ("PGGSSENCMODE", "disable".to_owned()),
        ];
        variables.extend(options.get_options().map(|options| ("PGOPTIONS", options.to_owned())));
        variables.extend(secrets(options));
        variables
    }
}

/// Returns the password, which may be from the URL, the environment or the password file, and the parameters of TLS. sqlx
/// reveals them only in a URL.
fn secrets(options: PgConnectOptions) -> Vec<(&'static str, String)> {
    // sqlx doesn't escape these two.
    let url = options.username("user").host("localhost").to_url_lossy();
    // Every special character is escaped, so the password can be decoded like a parameter.
    let password = format!("password={}", url.password().unwrap_or_default());
    let password = form_urlencoded::parse(password.as_bytes()).map(|(_, password)| password.into_owned());
    let password = password.filter(|password| !password.is_empty()).map(|password| ("PGPASSWORD", password));
    let parameters = url.query_pairs().filter_map(|(key, value)| {
        let (_, variable) = PARAMETERS.into_iter().find(|(parameter, _)| *parameter == key)?;
        // sqlx prints the path of a file as `file: …`.
        Some((variable, value.strip_prefix("file: ").unwrap_or(&value).to_owned()))
    });
    password.chain(parameters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(url: &str, production: bool) -> Vec<(&'static str, String)> {
        DatabaseUrl::parse(url).unwrap().libpq_env(production)
    }

    fn get<'a>(env: &'a [(&'static str, String)], name: &str) -> Option<&'a str> {
        env.iter().find(|(variable, _)| *variable == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn url_is_converted_to_libpq_variables() {
        let env = env(
            "postgres://a%40b:p%2B%26%25%20%C3%A9=+@[2001:db8::1]:5433/d%20e?sslmode=verify-ca&sslrootcert=/ca.pem",
            false,
        );
        for (name, value) in [
            ("PGHOST", "2001:db8::1"),
            ("PGPORT", "5433"),
            ("PGUSER", "a@b"),
            ("PGPASSWORD", "p+&% é=+"),
            ("PGDATABASE", "d e"),
            ("PGSSLMODE", "verify-ca"),
            ("PGSSLROOTCERT", "/ca.pem"),
        ] {
            assert_eq!(get(&env, name), Some(value), "{name}");
        }
    }

    #[test]
    fn remote_server_is_verified_in_production() {
        for (url, production, sslmode) in [
            ("postgres://u@db.internal/d", true, "verify-full"),
            ("postgres://u@db.internal/d", false, "prefer"),
            ("postgres://u@db.internal/d?sslmode=require", true, "require"),
            ("postgres://u@localhost/d", true, "prefer"),
        ] {
            assert_eq!(get(&env(url, production), "PGSSLMODE"), Some(sslmode), "{url}");
        }
    }

    #[test]
    fn socket_directory_is_host() {
        let env = env("postgres://u@ignored/d?host=/run/postgresql", true);
        assert_eq!((get(&env, "PGHOST"), get(&env, "PGPASSWORD")), (Some("/run/postgresql"), None));
    }
}
