//! Connection URLs, parsed strictly. A URL that is split at the wrong place has a part of the password in the host, the
//! database or a parameter, where it would be shown.

use std::{fmt, net::IpAddr, str::FromStr};

use kernel::parse_integer;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

/// A PostgreSQL connection URL. `Debug` redacts it, since it may contain a password.
#[derive(Debug, Clone)]
pub struct DatabaseUrl(SecretString);

/// Supported parameters. Others of libpq would have no effect. sqlx logs their values, which may be secret.
const PARAMETERS: [&str; 10] =
    ["dbname", "host", "options", "password", "port", "sslcert", "sslkey", "sslmode", "sslrootcert", "user"];

const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// The text isn't a supported PostgreSQL URL. The message contains no part of the text that may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    /// The scheme isn't PostgreSQL's.
    #[error("must begin with postgres:// or postgresql://")]
    Scheme,
    /// A character has a meaning that it can't have at its place.
    #[error(
        "contains a character that splits the URL at the wrong place; percent-encode the password and the other parts: \
         @ is %40, / is %2F, ? is %3F, # is %23, % is %25, + is %2B, a space is %20"
    )]
    Unescaped,
    /// There is no host in the authority and no parameter `host`.
    #[error("names no host; add one, or the directory of a socket as ?host=/path")]
    MissingHost,
    /// There are several hosts, which only libpq supports.
    #[error("lists several hosts, but only one is supported")]
    SeveralHosts,
    /// A parameter is unknown, or has no effect here. The name is omitted if it may be part of a password.
    #[error(
        "has an unsupported parameter{}; remove it, or percent-encode & and = in a password (%26, %3D); supported are {}",
        .name.as_ref().map(|name| format!(" {name}")).unwrap_or_default(), PARAMETERS.join(", ")
    )]
    UnsupportedParameter {
        /// Name of the parameter.
        name: Option<String>,
    },
    /// A parameter occurs twice.
    #[error("sets the parameter {name} twice; remove one of them")]
    DuplicateParameter {
        /// Name of the parameter.
        name: &'static str,
    },
    /// A parameter has an invalid value.
    #[error("has an invalid value for the parameter {name}, which must be {expected}")]
    InvalidParameter {
        /// Name of the parameter.
        name: &'static str,
        /// Description of the valid values.
        expected: &'static str,
    },
    /// It can't be parsed for another reason, such as an invalid port.
    #[error("isn't a valid PostgreSQL URL; check the host and the port, and percent-encode the password")]
    Malformed,
}

impl DatabaseUrl {
    /// Parses a URL. Doesn't connect.
    ///
    /// # Errors
    /// [`DatabaseUrlError`], also for some URLs that sqlx accepts.
    pub fn parse(text: &str) -> Result<Self, DatabaseUrlError> {
        let schemes = ["postgres://", "postgresql://"].into_iter();
        let rest = schemes.filter_map(|scheme| text.strip_prefix(scheme)).next().ok_or(DatabaseUrlError::Scheme)?;
        if rest.contains(|c: char| c == '#' || c.is_whitespace() || c.is_control()) || !is_percent_encoded(rest) {
            return Err(DatabaseUrlError::Unescaped);
        }
        let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
        // `@` ends user and password. After a password with an unescaped delimiter, it occurs later.
        if rest.matches('@').count() > 1 || tail.contains('@') || path.matches('/').count() > 1 || query.contains('+') {
            return Err(DatabaseUrlError::Unescaped);
        }
        // Otherwise, there may be a password in front of the path, where the host should be.
        let has_user = authority.contains('@');
        let has_host_parameter = check_query(query, has_user)?;
        let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
        check_address(address, has_host_parameter)?;
        let text = if address.is_empty() {
            // `Url` rejects an empty host after a user.
            format!("postgres://{authority}localhost{tail}")
        } else {
            text.to_owned()
        };
        PgConnectOptions::from_str(&text).map_err(|_| DatabaseUrlError::Malformed)?;
        Ok(Self(text.into()))
    }

    /// Whether the server is on this machine: a Unix socket or a loopback address.
    pub fn is_local(&self) -> bool {
        let options = self.parsed();
        let host = options.get_host();
        let loopback = || host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        uses_socket(&options) || loopback()
    }

    /// The name of the database. As in PostgreSQL, it defaults to that of the login.
    pub fn database(&self) -> String {
        let options = self.parsed();
        options.get_database().unwrap_or(options.get_username()).to_owned()
    }

    /// Returns the options of a connection.
    ///
    /// In production, a server on another machine must present a trusted certificate for its host name, unless the URL
    /// has an `sslmode`. `PGSSLMODE`, which sqlx reads, doesn't change that.
    pub(super) fn options(&self, production: bool) -> PgConnectOptions {
        let options = self.parsed();
        let verify = production && !self.is_local() && self.sslmode().is_none();
        if verify { options.ssl_mode(PgSslMode::VerifyFull) } else { options }
    }

    /// Returns the URL's `sslmode` if another machine on the network may impersonate the server or read the connection.
    pub(super) fn weak_sslmode(&self) -> Option<String> {
        self.sslmode().filter(|mode| !self.is_local() && mode != "verify-full")
    }

    /// Returns the `sslmode` of the URL. Its value is valid, since `parse` accepted the URL.
    fn sslmode(&self) -> Option<String> {
        let url = Url::parse(self.0.expose_secret()).ok()?;
        url.query_pairs().find(|(name, _)| name == "sslmode").map(|(_, mode)| mode.into_owned())
    }

    fn parsed(&self) -> PgConnectOptions {
        #[expect(clippy::expect_used, reason = "`parse` accepted the URL, and parsing is deterministic")]
        let options =
            PgConnectOptions::from_str(self.0.expose_secret()).expect("a URL that has been parsed can be parsed again");
        // A certificate's name for an IPv6 address has no brackets.
        match options.get_host().strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(str::to_owned) {
            Some(host) => options.host(&host),
            None => options,
        }
    }
}

/// Returns whether each `%` begins the code of a byte that isn't a control character.
fn is_percent_encoded(text: &str) -> bool {
    text.split('%').skip(1).all(|code| {
        let byte = code.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        byte.and_then(|digits| u8::from_str_radix(digits, 16).ok()).is_some_and(|byte| byte >= b' ' && byte != 0x7f)
    })
}

/// Checks the host and the port.
fn check_address(address: &str, has_host_parameter: bool) -> Result<(), DatabaseUrlError> {
    if address.contains(',') {
        return Err(DatabaseUrlError::SeveralHosts);
    }
    let after_brackets = address.rsplit_once(']').map_or(address, |(_, rest)| rest);
    let (host, port) = after_brackets.split_once(':').map_or((after_brackets, None), |(host, port)| (host, Some(port)));
    if port.is_some_and(|port| !is_port(port)) {
        return Err(DatabaseUrlError::Malformed);
    }
    match host.is_empty() && !address.starts_with('[') {
        // A port without a host doesn't say which server is meant.
        true if port.is_some() || !has_host_parameter => Err(DatabaseUrlError::MissingHost),
        _ => Ok(()),
    }
}

/// Checks the parameters. Returns whether `host` is one of them.
fn check_query(query: &str, has_user: bool) -> Result<bool, DatabaseUrlError> {
    let mut seen: Vec<&str> = Vec::new();
    for pair in query.split('&').filter(|_| !query.is_empty()) {
        let (name, _) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(name) = PARAMETERS.into_iter().find(|known| *known == name) else {
            let is_word = name.len() <= 32 && name.bytes().all(|c| c.is_ascii_lowercase() || c == b'_' || c == b'-');
            let may_show = is_word && has_user && !seen.contains(&"password");
            return Err(DatabaseUrlError::UnsupportedParameter { name: may_show.then(|| name.to_owned()) });
        };
        if seen.contains(&name) {
            return Err(DatabaseUrlError::DuplicateParameter { name });
        }
        seen.push(name);
        let value = url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value).unwrap_or_default();
        let invalid = |expected| Err(DatabaseUrlError::InvalidParameter { name, expected });
        match name {
            // Invalid UTF-8 is replaced.
            _ if value.is_empty() || value.contains('\u{fffd}') => invalid("a text in UTF-8"),
            "sslmode" if !SSL_MODES.contains(&&*value) => {
                invalid("one of disable, allow, prefer, require, verify-ca, verify-full")
            }
            "port" if !is_port(&value) => invalid("a whole number from 1 to 65535"),
            "host" if value.contains(',') => Err(DatabaseUrlError::SeveralHosts),
            _ => Ok(()),
        }?;
    }
    Ok(seen.contains(&"host"))
}

/// Returns whether this is the number of a port, without sign and leading zeros.
fn is_port(text: &str) -> bool {
    parse_integer::<u16>(text).is_some_and(|port| port > 0)
}

/// Whether these options lead to a Unix socket. Without a host in the URL, sqlx's default host may be its directory.
pub(super) fn uses_socket(options: &PgConnectOptions) -> bool {
    options.get_socket().is_some() || options.get_host().starts_with('/')
}

/// Host and port, or the socket directory, without user and password.
pub(super) struct Address<'a>(pub(super) &'a PgConnectOptions);

impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get_socket() {
            Some(socket_dir) => socket_dir.display().fmt(f),
            None if self.0.get_host().contains(':') => write!(f, "[{}]:{}", self.0.get_host(), self.0.get_port()),
            None => write!(f, "{}:{}", self.0.get_host(), self.0.get_port()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DatabaseUrlError as Error, *};

    fn unsupported(name: Option<&str>) -> Error {
        Error::UnsupportedParameter { name: name.map(str::to_owned) }
    }

    #[test]
    fn invalid_url_is_rejected_without_echo() {
        for text in ["mysql://u:hunter2@h/d", "hunter2", "postgres//hunter2", "sqlite::memory:"] {
            let error = DatabaseUrl::parse(text).err();
            assert_eq!(error, Some(Error::Scheme), "{text}");
        }
        let malformed = DatabaseUrl::parse("postgres://u:hunter2@h:port/d").err();
        assert_eq!(malformed, Some(Error::Malformed));
        let url = DatabaseUrl::parse("postgresql://u:hunter2@h:5432/d").map(|url| format!("{url:?}"));
        assert!(url.is_ok_and(|text| !text.contains("hunter2")));
    }

    #[test]
    fn unescaped_delimiter_is_rejected() {
        for password in ["a@b", "a/b", "1/b", "a?b", "1?b=c", "a#b", "100%", "%zz", "a b", "a\nb", "%00", "%0a"] {
            let url = format!("postgres://u:{password}@h/d");
            assert_eq!(DatabaseUrl::parse(&url).err(), Some(Error::Unescaped), "{url}");
        }
        for rest in
            ["h/d?password=a@b", "h/d?password=a+b", "h/d?password=a#b", "h/d/e", "h//d", "h/d#?sslmode=disable"]
        {
            assert_eq!(DatabaseUrl::parse(&format!("postgres://u@{rest}")).err(), Some(Error::Unescaped), "{rest}");
        }
    }

    #[test]
    fn percent_encoded_password_is_accepted() {
        for password in ["a%40b%2Fc%3Fd%23e%25f", "a:b", "a%20b%2Bc%26d%3De", "%C3%A9"] {
            for url in [format!("postgres://u:{password}@h/d"), format!("postgres://u@h/d?password={password}")] {
                assert!(DatabaseUrl::parse(&url).is_ok(), "{url}");
            }
        }
    }

    #[test]
    fn unsupported_parameter_is_rejected_by_name() {
        for (rest, error) in [
            ("u@h/d?connect_timeout=5", unsupported(Some("connect_timeout"))),
            ("u@h/d?application_name=shop", unsupported(Some("application_name"))),
            ("u@h/d?sslmod=require", unsupported(Some("sslmod"))),
            ("u@h/d?sslmode", Error::InvalidParameter { name: "sslmode", expected: "a text in UTF-8" }),
            // A part of the password, and a password whose host is missing.
            ("u@h/d?password=a&hunter=b", unsupported(None)),
            ("u:1?hunter=b", unsupported(None)),
            ("u@h/d?Hunter2=b", unsupported(None)),
            ("u@h/d?sslmode=disable&sslmode=require", Error::DuplicateParameter { name: "sslmode" }),
            ("u@h/d?host=a,b", Error::SeveralHosts),
        ] {
            assert_eq!(DatabaseUrl::parse(&format!("postgres://{rest}")).err(), Some(error), "{rest}");
        }
    }

    #[test]
    fn invalid_sslmode_names_the_modes() {
        for mode in ["verify_full", "Require", "enable", "true", ""] {
            let error = DatabaseUrl::parse(&format!("postgres://u@h/d?sslmode={mode}")).err().unwrap().to_string();
            assert!(error.contains("parameter sslmode"), "{mode}: {error}");
            assert!(mode.is_empty() || !error.contains(mode) && error.contains("verify-full"), "{mode}: {error}");
        }
    }

    #[test]
    fn invalid_host_or_port_is_rejected() {
        for (rest, error) in [
            ("u@h:0/d", Error::Malformed),
            ("u@h:65536/d", Error::Malformed),
            ("u@h:05432/d", Error::Malformed),
            ("u@h:/d", Error::Malformed),
            ("u@[::1/d", Error::Malformed),
            ("u@::1/d", Error::Malformed),
            ("u@h1,h2/d", Error::SeveralHosts),
            ("u@h1:5432,h2:5432/d", Error::SeveralHosts),
            ("u@/d", Error::MissingHost),
            ("/d", Error::MissingHost),
            ("u@:5432/d?host=/run", Error::MissingHost),
            ("u@h/d?port=05432", Error::InvalidParameter { name: "port", expected: "a whole number from 1 to 65535" }),
        ] {
            assert_eq!(DatabaseUrl::parse(&format!("postgres://{rest}")).err(), Some(error), "{rest}");
        }
    }

    #[test]
    fn socket_and_loopback_are_local() {
        for (url, local) in [
            ("postgres://u@127.0.0.1/d", true),
            ("postgres://u@localhost:5433/d", true),
            ("postgres://u@[::1]/d", true),
            ("postgres://u@[::1]:5433/d", true),
            ("postgres://u@ignored/d?host=/run/postgresql", true),
            ("postgres://u:p@/d?host=/run/postgresql", true),
            ("postgres:///d?host=/run/postgresql&user=u", true),
            ("postgres://?host=/run/postgresql", true),
            ("postgres://u@%2Frun%2Fpostgresql/d", true),
            ("postgres://u@10.0.0.1/d", false),
            ("postgres://u@db.example.com/d", false),
            ("postgres://u@localhost.example.com/d", false),
            ("postgres://u@/d?host=db.example.com", false),
        ] {
            assert_eq!(DatabaseUrl::parse(url).map(|url| url.is_local()), Ok(local), "{url}");
        }
    }

    #[test]
    fn remote_server_is_verified_in_production() {
        use PgSslMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
        for (url, development, production, weak) in [
            ("postgres://u@db.example.com/d", Prefer, VerifyFull, None),
            ("postgres://u@10.0.0.1/d?sslrootcert=ca.pem", Prefer, VerifyFull, None),
            ("postgres://u@[2001:db8::1]/d", Prefer, VerifyFull, None),
            // No query, but part of the password.
            ("postgres://u:sslmode=disable@h/d", Prefer, VerifyFull, None),
            ("postgres://u@h/d?sslmode=disable", Disable, Disable, Some("disable")),
            ("postgres://u@h/d?sslmode=require", Require, Require, Some("require")),
            ("postgres://u@h/d?sslmode=verify-ca", VerifyCa, VerifyCa, Some("verify-ca")),
            ("postgres://u@h/d?sslmode=verify-full", VerifyFull, VerifyFull, None),
            ("postgres://u@localhost/d", Prefer, Prefer, None),
            ("postgres://u@h/d?host=/run/postgresql&sslmode=disable", Disable, Disable, None),
        ] {
            let parsed = DatabaseUrl::parse(url).unwrap();
            let mode = |production| format!("{:?}", parsed.options(production).get_ssl_mode());
            assert_eq!((mode(false), mode(true)), (format!("{development:?}"), format!("{production:?}")), "{url}");
            assert_eq!(parsed.weak_sslmode().as_deref(), weak, "{url}");
        }
    }

    #[test]
    fn ipv6_host_has_no_brackets() {
        let options = DatabaseUrl::parse("postgres://u@[2001:db8::1]/d").unwrap().options(true);
        assert_eq!((options.get_host(), Address(&options).to_string()), ("2001:db8::1", "[2001:db8::1]:5432".into()));
    }
}
