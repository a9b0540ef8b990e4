//! `embedded-postgres DIR [--fast]` runs a server in DIR until standard input is closed or this process ends.
//!
//! It handles no signals: the server stops when this process ends for any reason.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use embedded_postgres::{Options, Server};

const USAGE: &str = "usage: embedded-postgres DIR [--fast] [--download URL VERSION SHA256 CACHE]

Runs a PostgreSQL server in DIR until standard input is closed, and prints the command that connects to it.
  --fast       don't wait for the disk; a power failure may destroy the data
  --download   ignore installed versions; download VERSION, whose archive has this SHA256,
               from URL into CACHE (only in builds with the feature `download`)";

fn main() -> ExitCode {
    let Some(options) = options(std::env::args_os().skip(1)) else {
        let _ = writeln!(io::stderr(), "{USAGE}");
        return ExitCode::from(2);
    };
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg_attr(
    not(feature = "download"),
    expect(
        clippy::while_let_on_iterator,
        reason = "the option with several values exists only with the feature `download`"
    )
)]
fn options(mut arguments: impl Iterator<Item = OsString>) -> Option<Options> {
    let mut options = Options::new("");
    options.search_path = search_path();
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--fast") => options.durable = false,
            #[cfg(feature = "download")]
            Some("--download") => {
                let mut text = || arguments.next()?.into_string().ok();
                let (url, version, sha256, cache) = (text()?, text()?, text()?, text()?);
                let download = embedded_postgres::DownloadOptions::new(cache, version, url);
                options.download = Some(embedded_postgres::DownloadOptions { sha256: Some(sha256), ..download });
                (options.search_path, options.search_well_known_dirs) = (None, false);
            }
            Some(flag) if flag.starts_with('-') => return None,
            _ if !options.root.as_os_str().is_empty() => return None,
            _ => options.root = argument.into(),
        }
    }
    (!options.root.as_os_str().is_empty()).then_some(options)
}

#[allow(clippy::disallowed_methods, reason = "a standalone program without configuration")]
fn search_path() -> Option<OsString> {
    std::env::var_os("PATH")
}

fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::start(options)?;
    server.mark_initialized()?;
    let connection = server.connection_info();
    let psql = quote(&server.bin_dir().join("psql").to_string_lossy());
    let host = quote(&connection.socket_dir().to_string_lossy());
    writeln!(io::stdout(), "{psql} -h {host} -p {} -U {}", connection.port(), connection.superuser())?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(server.stop()?)
}

/// Quotes a word for a shell.
fn quote(word: &str) -> String {
    if word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-@".contains(&byte)) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
