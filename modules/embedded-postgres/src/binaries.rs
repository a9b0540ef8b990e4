//! Which PostgreSQL of this machine to use.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::{Error, Options};

/// The oldest major version that is supported.
pub(crate) const OLDEST: u32 = 15;

/// Where installers put the server's programs, which on Debian and with Homebrew isn't on the search path.
const USUAL_PLACES: [&str; 7] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/opt/homebrew/bin",
    "/usr/local/pgsql/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// A PostgreSQL of this machine: a folder with `postgres` and `initdb` in it, and whatever else was installed there.
#[derive(Debug, Clone)]
pub struct Installation {
    pub(crate) folder: PathBuf,
    pub(crate) major: u32,
}

/// Every installation in question, of any version, the newest first. There may be none.
pub(crate) fn find(options: &Options, account: &Account) -> Result<Vec<Installation>, Error> {
    if let Some(folder) = &options.binaries {
        let folder = std::path::absolute(folder).map_err(Error::file("found", folder))?;
        let installation = inspect(&folder, account).map_err(|_| Error::NotBinaries { folder })?;
        return Ok(vec![installation]);
    }
    let usual_places = if options.usual_places { USUAL_PLACES.as_slice() } else { &[] };
    let searched = options.search_path.as_deref().map(std::env::split_paths).into_iter().flatten();
    let mut seen = HashSet::new();
    let mut found: Vec<_> = searched
        .chain(usual_places.iter().flat_map(|place| expand(place)))
        .chain(downloaded(options, account))
        // Children run from `/`, where a relative entry would mean something else.
        .filter(|folder| folder.is_absolute())
        .filter_map(|folder| home(&folder))
        .filter(|folder| seen.insert(folder.clone()))
        .filter_map(|folder| inspect(&folder, account).ok())
        .collect();
    found.sort_by_key(|installation| Reverse(installation.major));
    Ok(found)
}

#[cfg(feature = "download")]
fn downloaded(options: &Options, account: &Account) -> Vec<PathBuf> {
    options.download.as_ref().map(|download| crate::download::downloaded(download, account)).unwrap_or_default()
}

#[cfg(not(feature = "download"))]
fn downloaded(_: &Options, _: &Account) -> Vec<PathBuf> {
    Vec::new()
}

/// The newest, or where there is data already the one that can read it. `existing` is the data directory and the major
/// version that wrote it.
pub(crate) fn select(
    found: Vec<Installation>,
    existing: Option<(&Path, u32)>,
    options: &Options,
) -> Result<Installation, Error> {
    let newest = found.first().cloned().ok_or(Error::NoBinaries)?;
    let chosen = match existing {
        None => newest,
        Some((folder, data)) => match found.iter().find(|one| one.major == data) {
            Some(one) => one.clone(),
            None => {
                let (folder, configured) = (folder.to_owned(), options.binaries.is_some());
                return Err(Error::OtherMajor { folder, data, found, configured });
            }
        },
    };
    if chosen.major < OLDEST {
        return Err(Error::TooOld { folder: chosen.folder, major: chosen.major });
    }
    Ok(chosen)
}

/// The folder that the programs are really in: one on the search path may hold links to some of them, without `psql`.
fn home(folder: &Path) -> Option<PathBuf> {
    let postgres = folder.join("postgres").canonicalize().ok()?;
    let real = postgres.parent()?;
    let complete = real.join("initdb").is_file() && postgres.ends_with("postgres");
    if complete { Some(real.to_owned()) } else { folder.canonicalize().ok() }
}

/// Both programs are asked for: Debian's `/usr/bin` has wrappers of the clients only. The error is a few words, for
/// where they matter.
pub(crate) fn inspect(folder: &Path, account: &Account) -> io::Result<Installation> {
    let postgres = folder.join("postgres");
    if !postgres.is_file() || !folder.join("initdb").is_file() {
        return Err(io::Error::other("`postgres` or `initdb` is missing"));
    }
    let output = account.command(postgres).arg("--version").output()?;
    let major = major(&String::from_utf8_lossy(&output.stdout));
    let major = major
        .ok_or_else(|| String::from_utf8_lossy(&output.stderr).trim().replace('\n', " "))
        .map_err(io::Error::other)?;
    Ok(Installation { folder: folder.to_owned(), major })
}

/// The major version in `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`, `… 18beta1` or `… 19devel`.
fn major(version: &str) -> Option<u32> {
    let (_, number) = version.split_once("(PostgreSQL) ")?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The folders that a pattern with at most one `*`, at the end of a name, stands for.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else { return vec![PathBuf::from(pattern)] };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let begins = |name: &OsStr| name.as_encoded_bytes().starts_with(prefix.as_bytes());
    let mut folders: Vec<_> = entries
        .flatten()
        .filter(|entry| begins(&entry.file_name()))
        .map(|entry| entry.path().join(after.trim_start_matches('/')))
        .collect();
    folders.sort();
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installation(major: u32) -> Installation {
        Installation { folder: PathBuf::from(format!("/pg/{major}")), major }
    }

    #[test]
    fn the_major_version_is_read_from_releases_and_previews() {
        assert_eq!(major("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major("postgres (PostgreSQL) 9.6.24\n"), Some(9));
        assert_eq!(major("something else 17\n"), None);
    }

    #[test]
    fn new_data_gets_the_newest_and_old_data_the_one_that_wrote_it() {
        let options = Options::new("/data");
        let found = vec![installation(17), installation(16), installation(15)];
        assert_eq!(select(found.clone(), None, &options).unwrap().major, 17);
        assert_eq!(select(found, Some((Path::new("/data"), 16)), &options).unwrap().major, 16);
    }

    #[test]
    fn a_server_before_15_is_refused_even_for_its_own_data() {
        let options = Options::new("/data");
        let only_old = select(vec![installation(14)], None, &options);
        assert!(matches!(only_old, Err(Error::TooOld { major: 14, .. })));
        let own_data = select(vec![installation(17), installation(14)], Some((Path::new("/data"), 14)), &options);
        assert!(matches!(own_data, Err(Error::TooOld { major: 14, .. })));
    }

    #[test]
    fn a_pattern_stands_for_the_folders_that_begin_so() {
        let base = tempfile::tempdir().unwrap();
        for name in ["pgsql-15", "pgsql-16", "other"] {
            fs::create_dir(base.path().join(name)).unwrap();
        }
        let pattern = format!("{}/pgsql-*/bin", base.path().display());
        assert_eq!(expand(&pattern), [base.path().join("pgsql-15/bin"), base.path().join("pgsql-16/bin")]);
    }
}
