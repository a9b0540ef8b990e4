//! What an archive holds, looked through before anything of it is written.
//!
//! The checksum says that it is the one that was offered, not that whoever offered it meant well: its names mustn't
//! lead out of the folder that it is unpacked into.

use std::collections::HashSet;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use flate2::bufread::GzDecoder;
use tar::{Archive, Entry, EntryType};

/// What an installation may take on the disk.
const LARGEST: u64 = 2 * 1024 * 1024 * 1024;

/// Whether it is safe to unpack and holds a server.
///
/// # Errors
///
/// Why not, in words that go on "What was downloaded is refused:".
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let unreadable = |error: std::io::Error| format!("it isn't a whole .tar.gz archive ({error})");
    let mut archive = Archive::new(GzDecoder::new(bytes));
    let mut contents = Contents::default();
    for entry in archive.entries().map_err(unreadable)? {
        contents.add(&entry.map_err(unreadable)?)?;
    }
    // To the very end, where gzip has a checksum of its own.
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink()).map_err(unreadable)?;
    for program in ["bin/postgres", "bin/initdb"] {
        if !contents.files.contains(Path::new(program)) {
            return Err(format!("it doesn't hold {program}"));
        }
    }
    Ok(())
}

/// What was seen so far, by names in lower case: some file systems don't tell them apart.
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
        let unreadable = |error: std::io::Error| format!("an entry of it can't be read ({error})");
        // A long name may stand apart from the header; whichever of the two is used to write it is looked at.
        let path = entry.path().map_err(unreadable)?.into_owned();
        for name in [&path, &header.path().map_err(unreadable)?.into_owned()] {
            self.check_place(name)?;
        }
        let below = within(&path).unwrap_or_default();
        self.size = self.size.saturating_add(entry.size());
        if self.size > LARGEST {
            return Err(format!("it unpacks to more than {LARGEST} bytes"));
        }
        match header.entry_type() {
            EntryType::Directory => {}
            EntryType::Regular => {
                if header.mode().map_err(unreadable)? & 0o6000 != 0 {
                    return Err(format!("{} would run with the rights of its owner", path.display()));
                }
                self.files.insert(below);
            }
            EntryType::Symlink => {
                let target = entry.link_name().map_err(unreadable)?.unwrap_or_default().into_owned();
                if !stays_inside(&below, &target) {
                    return Err(format!("its link {} leads out of it", path.display()));
                }
                self.links.insert(below);
            }
            // Where these lead is checked when they are made.
            EntryType::Link => {
                self.files.insert(below);
            }
            other => return Err(format!("{} is neither file, folder nor link ({other:?})", path.display())),
        }
        Ok(())
    }

    /// Neither outside nor through a link that came before.
    fn check_place(&self, path: &Path) -> Result<(), String> {
        let below = within(path).ok_or_else(|| format!("its entry {} leads out of it", path.display()))?;
        if below.ancestors().any(|place| self.links.contains(place)) {
            return Err(format!("its entry {} leads through a link", path.display()));
        }
        Ok(())
    }
}

/// The path without the archive's own folder; `None` for one that leads out of it.
fn within(path: &Path) -> Option<PathBuf> {
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

/// Whether a link's target is within. `..` counts only in front: behind a name it would depend on what that leads to.
fn stays_inside(link: &Path, target: &Path) -> bool {
    let depth = link.components().count().saturating_sub(1);
    let ups = target.components().take_while(|component| *component == Component::ParentDir).count();
    ups <= depth && target.components().skip(ups).all(|component| matches!(component, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_within_only_by_plain_names() {
        assert_eq!(within(Path::new("pg/bin/Postgres")), Some(PathBuf::from("bin/postgres")));
        assert_eq!(within(Path::new("./bin")), Some(PathBuf::from("bin")));
        assert_eq!(within(Path::new("pg")), Some(PathBuf::new()));
        for path in ["/etc/passwd", "../x", "pg/../x", "pg/bin/../../../x", ""] {
            assert_eq!(within(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn a_link_leads_to_a_place_within() {
        for target in ["libpq.so.5", "../bin/psql", "postgresql/plpgsql.so"] {
            assert!(stays_inside(Path::new("lib/libpq.so"), Path::new(target)), "{target}");
        }
        for target in ["/etc/passwd", "../../x", "a/../../../x", "a/../b"] {
            assert!(!stays_inside(Path::new("lib/libpq.so"), Path::new(target)), "{target}");
        }
    }
}
