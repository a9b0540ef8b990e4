//! Search for installed PostgreSQL versions, and the choice between them.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::installation::Installation;
use crate::server_user::ServerUser;
use crate::{Error, Options};

/// Oldest supported major version.
const MIN_MAJOR_VERSION: u32 = 15;

/// Directories where installers put the server's programs. On Debian and with Homebrew they aren't on the search path.
const WELL_KNOWN_BIN_DIRS: [&str; 7] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/opt/homebrew/bin",
    "/usr/local/pgsql/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// Returns the installations of any version, newest first. The list may be empty.
pub(crate) fn discover(options: &Options, user: &ServerUser) -> Result<Vec<Installation>, Error> {
    if let Some(dir) = &options.bin_dir {
        let dir = std::path::absolute(dir).map_err(Error::io("resolve", dir))?;
        let installation = user.probe(&dir).map_err(|_| Error::InvalidBinDir { dir })?;
        return Ok(vec![installation]);
    }
    let well_known = if options.search_well_known_dirs { WELL_KNOWN_BIN_DIRS.as_slice() } else { &[] };
    let search_path = options.search_path.as_deref().map(std::env::split_paths).into_iter().flatten();
    #[cfg(feature = "download")]
    let downloaded = options.download.iter().flat_map(|download| crate::download::downloaded_bin_dirs(download, user));
    #[cfg(not(feature = "download"))]
    let downloaded = std::iter::empty();
    let mut seen = HashSet::new();
    let mut installations: Vec<_> = search_path
        .chain(well_known.iter().flat_map(|pattern| expand(pattern)))
        .chain(downloaded)
        // Relative entries are skipped: child processes run in `/`, where they would mean something else.
        .filter(|dir| dir.is_absolute())
        .filter_map(|dir| real_bin_dir(&dir))
        .filter(|dir| seen.insert(dir.clone()))
        .filter_map(|dir| user.probe(&dir).ok())
        .collect();
    installations.sort_by_key(|installation| Reverse(installation.major));
    Ok(installations)
}

/// Selects the installation with the major version that wrote the existing data, or the newest one if there is no data.
/// `existing_data` is the data directory and that version.
pub(crate) fn select(
    installations: Vec<Installation>,
    existing_data: Option<(&Path, u32)>,
    options: &Options,
) -> Result<Installation, Error> {
    let newest = installations.first().cloned().ok_or(Error::NotInstalled)?;
    let selected = match existing_data {
        None => newest,
        Some((data_dir, data_major)) => match installations.iter().find(|one| one.major == data_major) {
            Some(matching) => matching.clone(),
            None => {
                let (dir, configured) = (data_dir.to_owned(), options.bin_dir.is_some());
                return Err(Error::MajorVersionMismatch { dir, data_major, installations, configured });
            }
        },
    };
    if selected.major < MIN_MAJOR_VERSION {
        return Err(Error::TooOld { dir: selected.bin_dir, major: selected.major });
    }
    Ok(selected)
}

/// Follows symbolic links to the directory that holds the programs. A directory on the search path may contain links to
/// some of them, without `psql`.
fn real_bin_dir(dir: &Path) -> Option<PathBuf> {
    let postgres = dir.join("postgres").canonicalize().ok()?;
    let real = postgres.parent()?;
    let is_complete = real.join("initdb").is_file() && postgres.ends_with("postgres");
    if is_complete { Some(real.to_owned()) } else { dir.canonicalize().ok() }
}

/// Returns the directories that match a pattern with at most one `*`, at the end of a path component.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else { return vec![PathBuf::from(pattern)] };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let has_prefix = |name: &OsStr| name.as_encoded_bytes().starts_with(prefix.as_bytes());
    let mut dirs: Vec<_> = entries
        .flatten()
        .filter(|entry| has_prefix(&entry.file_name()))
        .map(|entry| entry.path().join(after.trim_start_matches('/')))
        .collect();
    dirs.sort();
    dirs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installation(major: u32) -> Installation {
        Installation { bin_dir: PathBuf::from(format!("/pg/{major}")), major }
    }

    #[test]
    fn picks_newest_or_matching_installation() {
        let options = Options::new("/data");
        let installations = vec![installation(17), installation(16), installation(15)];
        assert_eq!(select(installations.clone(), None, &options).unwrap().major, 17);
        assert_eq!(select(installations, Some((Path::new("/data"), 16)), &options).unwrap().major, 16);
    }

    #[test]
    fn versions_below_15_are_rejected() {
        let options = Options::new("/data");
        let only_old = select(vec![installation(14)], None, &options);
        assert!(matches!(only_old, Err(Error::TooOld { major: 14, .. })));
        let own_data = select(vec![installation(17), installation(14)], Some((Path::new("/data"), 14)), &options);
        assert!(matches!(own_data, Err(Error::TooOld { major: 14, .. })));
    }

    #[test]
    fn trailing_star_matches_prefix() {
        let base = tempfile::tempdir().unwrap();
        for name in ["pgsql-15", "pgsql-16", "other"] {
            fs::create_dir(base.path().join(name)).unwrap();
        }
        let pattern = format!("{}/pgsql-*/bin", base.path().display());
        assert_eq!(expand(&pattern), [base.path().join("pgsql-15/bin"), base.path().join("pgsql-16/bin")]);
    }
}
