//! The environment variables passed to PostgreSQL's client programs.

use std::ffi::OsString;

/// Variables for the terminal, locale, history file, pager, editor and trusted certificates. None of those that point
/// PostgreSQL clients to another server (`PGHOST`, `PGSERVICE`, …).
const FORWARDED_VARS: [&str; 17] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TERM",
    "TERMINFO",
    "COLORTERM",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "PAGER",
    "LESS",
    "EDITOR",
    "VISUAL",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Returns the variables of the process environment to pass to client programs; all others are withheld.
pub fn client_env() -> Vec<(OsString, OsString)> {
    #[expect(clippy::disallowed_methods, reason = "src/config is the only place that reads the environment")]
    let variables = std::env::vars_os();
    variables.filter(|(name, _)| FORWARDED_VARS.iter().any(|known| name == known)).collect()
}
