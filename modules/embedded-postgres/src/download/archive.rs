//! Validation of an archive before anything is written to disk.
//!
//! A correct checksum proves that the archive is the published one, not that it is harmless: its paths must not leave
//! the directory that it is unpacked into.

use std::collections::HashSet;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use flate2::bufread::GzDecoder;
use tar::{Archive, Entry, EntryType};

/// Maximum size of an unpacked installation in bytes.
const MAX_UNPACKED_SIZE: u64 = 2 * 1024 * 1024 * 1024;

/// Checks that an archive is safe to unpack and contains a server. The error is the reason in
/// [`Error::InvalidArchive`](crate::Error::InvalidArchive).
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let unreadable = |error: std::io::Error| format!("it isn't a complete .tar.gz archive ({error})");
    let mut archive = Archive::new(GzDecoder::new(bytes));
    let mut contents = Contents::default();
    for entry in archive.entries().map_err(unreadable)? {
        contents.add(&entry.map_err(unreadable)?)?;
    }
    // Read to the end, where gzip stores its own checksum.
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink()).map_err(unreadable)?;
    for program in ["bin/postgres", "bin/initdb"] {
        if !contents.files.contains(Path::new(program)) {
            return Err(format!("it doesn't contain {program}"));
        }
    }
    Ok(())
}

/// The entries read up to now. Paths are in lower case, since some file systems are case-insensitive.
#[derive(Default)]
struct Contents {
    files: HashSet<PathBuf>,
    links: HashSet<PathBuf>,
    size: u64,
}

impl Contents {
    fn add(&mut self, entry: &Entry<'_, impl Read>) -> Result<(), String> {
        let header = entry.header();
        if header.entry_type() == EntryType::XGlobalHeader {
            return Ok(());
        }
        let unreadable = |error: std::io::Error| format!("one of its entries can't be read ({error})");
        // A long name is stored outside of the header. Both are checked, since either may be used for unpacking.
        let path = entry.path().map_err(unreadable)?.into_owned();
        for name in [&path, &header.path().map_err(unreadable)?.into_owned()] {
            self.check_path(name)?;
        }
        let relative = relative_path(&path).unwrap_or_default();
        self.size = self.size.saturating_add(entry.size());
        if self.size > MAX_UNPACKED_SIZE {
            return Err(format!("its unpacked size exceeds {MAX_UNPACKED_SIZE} bytes"));
        }
        match header.entry_type() {
            EntryType::Directory => {}
            EntryType::Regular => {
                if header.mode().map_err(unreadable)? & 0o6000 != 0 {
                    return Err(format!("its entry {} is setuid or setgid", path.display()));
                }
                self.files.insert(relative);
            }
            EntryType::Symlink => {
                let target = entry.link_name().map_err(unreadable)?.unwrap_or_default().into_owned();
                if !is_inside(&relative, &target) {
                    return Err(format!("its symbolic link {} points outside of it", path.display()));
                }
                self.links.insert(relative);
            }
            // The target of a hard link is checked when it is unpacked.
            EntryType::Link => {
                self.files.insert(relative);
            }
            other => return Err(format!("its entry {} is not a file, directory or link ({other:?})", path.display())),
        }
        Ok(())
    }

    /// Checks that a path stays inside and doesn't pass through an earlier symbolic link.
    fn check_path(&self, path: &Path) -> Result<(), String> {
        let relative =
            relative_path(path).ok_or_else(|| format!("its entry {} points outside of it", path.display()))?;
        if relative.ancestors().any(|ancestor| self.links.contains(ancestor)) {
            return Err(format!("its entry {} passes through a symbolic link", path.display()));
        }
        Ok(())
    }
}

/// Returns the path without the top-level directory, in lower case; `None` if it isn't a plain relative path.
fn relative_path(path: &Path) -> Option<PathBuf> {
    let mut components = path.components();
    let first = components.next()?;
    let is_plain = |component: &Component<'_>| matches!(component, Component::Normal(_));
    if !is_plain(&first) && first != Component::CurDir {
        return None;
    }
    let rest = components.as_path();
    let lower = || PathBuf::from(rest.to_string_lossy().to_lowercase());
    rest.components().all(|component| is_plain(&component)).then(lower)
}

/// Returns whether a symbolic link's target is inside the archive. `..` is accepted only at the start: after a name,
/// its meaning depends on whether that name is a link.
fn is_inside(link: &Path, target: &Path) -> bool {
    let depth = link.components().count().saturating_sub(1);
    let ups = target.components().take_while(|component| *component == Component::ParentDir).count();
    ups <= depth && target.components().skip(ups).all(|component| matches!(component, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archive_path_traversal_is_rejected() {
        assert_eq!(relative_path(Path::new("pg/bin/Postgres")), Some(PathBuf::from("bin/postgres")));
        assert_eq!(relative_path(Path::new("./bin")), Some(PathBuf::from("bin")));
        assert_eq!(relative_path(Path::new("pg")), Some(PathBuf::new()));
        for path in ["/etc/passwd", "../x", "pg/../x", "pg/bin/../../../x", ""] {
            assert_eq!(relative_path(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn archive_symlink_must_stay_inside() {
        for target in ["libpq.so.5", "../bin/psql", "postgresql/plpgsql.so"] {
            assert!(is_inside(Path::new("lib/libpq.so"), Path::new(target)), "{target}");
        }
        for target in ["/etc/passwd", "../../x", "a/../../../x", "a/../b"] {
            assert!(!is_inside(Path::new("lib/libpq.so"), Path::new(target)), "{target}");
        }
    }
}
