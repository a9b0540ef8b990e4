//! What a program that talks to the user in the terminal is told of the surroundings.

use std::ffi::OsString;

/// How to draw, which language, where to keep a history, and what to page and edit with. Nothing that PostgreSQL's
/// clients would take for the way to another server (`PGHOST`, `PGSERVICE`, …).
const FORWARDED_VARS: [&str; 15] = [
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
];

/// The variables of the environment for such a program; all others are kept from it.
pub fn psql_env() -> Vec<(OsString, OsString)> {
    #[expect(clippy::disallowed_methods, reason = "the environment is read in this folder and nowhere else")]
    let variables = std::env::vars_os();
    variables.filter(|(name, _)| FORWARDED_VARS.iter().any(|known| name == known)).collect()
}
