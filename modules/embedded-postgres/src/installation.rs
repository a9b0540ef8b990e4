//! One PostgreSQL installation.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Error;
use crate::server_user::ServerUser;

/// A PostgreSQL installation: a directory with `postgres` and `initdb`, and possibly the client programs.
#[derive(Debug, Clone)]
pub struct Installation {
    pub(crate) bin_dir: PathBuf,
    pub(crate) major: u32,
}

impl Installation {
    /// Returns the directory of the programs.
    pub fn bin_dir(&self) -> &Path {
        &self.bin_dir
    }

    /// Returns the major version.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// Creates a command for one of the programs. It runs as the user of this process in the current directory, with
    /// an empty environment: variables such as `PGHOST` and `PGOPTIONS` would direct it elsewhere.
    ///
    /// # Errors
    ///
    /// Returns [`Error::MissingProgram`] if the program isn't installed. Debian and others package the client programs
    /// separately from the server.
    pub fn command(&self, program: &'static str) -> Result<Command, Error> {
        let path = self.bin_dir.join(program);
        if !path.is_file() {
            return Err(Error::MissingProgram { program, dir: self.bin_dir.clone(), major: self.major });
        }
        let mut command = Command::new(path);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").stdin(Stdio::null());
        Ok(command)
    }

    /// Reads the version of the installation in a directory. Both programs must exist: Debian's `/usr/bin` has
    /// wrappers of the client programs only. The error is a short text to be quoted in another message.
    pub(crate) fn probe(dir: &Path, user: &ServerUser) -> io::Result<Self> {
        let postgres = dir.join("postgres");
        if !postgres.is_file() || !dir.join("initdb").is_file() {
            return Err(io::Error::other("`postgres` or `initdb` is missing"));
        }
        let output = user.command(postgres).arg("--version").output()?;
        let major = parse_major(&String::from_utf8_lossy(&output.stdout));
        let major = major
            .ok_or_else(|| String::from_utf8_lossy(&output.stderr).trim().replace('\n', " "))
            .map_err(io::Error::other)?;
        Ok(Self { bin_dir: dir.to_owned(), major })
    }
}

/// Parses the major version in `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`, `… 18beta1` or `… 19devel`.
fn parse_major(version: &str) -> Option<u32> {
    let (_, number) = version.split_once("(PostgreSQL) ")?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn major_version_parses_release_and_beta() {
        assert_eq!(parse_major("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"), Some(15));
        assert_eq!(parse_major("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(parse_major("postgres (PostgreSQL) 9.6.24\n"), Some(9));
        assert_eq!(parse_major("something else 17\n"), None);
    }
}
