//! One PostgreSQL installation.

use std::path::{Path, PathBuf};

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
}

/// Parses the major version in `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`, `… 18beta1` or `… 19devel`.
pub(crate) fn parse_major(version: &str) -> Option<u32> {
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
