//! Archives that aren't what they should be. Each is refused, and nothing of it is kept or written elsewhere.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use embedded_postgres::{Error, Server};
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use crate::download::{assert_nothing_is_kept, assert_one_line_with_a_way_out};
use crate::releases::{Manner, RELEASE, Releases, copy_installation, packed};
use crate::support::{Place, psql};

/// The release is refused with these words, and a good one is taken after it.
fn assert_refused(place: &Place, releases: &Releases, words: &str) {
    let refused = Server::start(releases.options(place)).unwrap_err();
    assert!(matches!(refused, Error::BadArchive { .. }), "{refused:?}");
    assert!(refused.to_string().contains(words), "{refused}");
    assert_one_line_with_a_way_out(&refused.to_string());
    assert_nothing_is_kept(place);
}

fn served(archive: Vec<u8>) -> Releases {
    Releases::of(archive, Manner::Whole)
}

/// Entries that `tar` itself would refuse to write: the name goes straight into the header.
struct Crafted(Builder<GzEncoder<Vec<u8>>>);

impl Crafted {
    fn new() -> Self {
        let mut crafted = Self(Builder::new(GzEncoder::new(Vec::new(), Compression::fast())));
        for folder in ["pg/", "pg/bin/", "pg/lib/"] {
            crafted.entry(folder, EntryType::Directory, 0o755, None);
        }
        for program in ["pg/bin/postgres", "pg/bin/initdb"] {
            crafted.entry(program, EntryType::Regular, 0o755, None);
        }
        crafted
    }

    fn entry(&mut self, name: &str, kind: EntryType, mode: u32, target: Option<&str>) {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        if let Some(target) = target {
            header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        }
        header.set_entry_type(kind);
        header.set_mode(mode);
        let content = if kind == EntryType::Regular { "#!/bin/sh\n" } else { "" };
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.0.append(&header, content.as_bytes()).unwrap();
    }

    fn finish(self) -> Vec<u8> {
        self.0.into_inner().unwrap().finish().unwrap()
    }
}

#[test]
fn a_wrong_checksum_is_refused() {
    let place = Place::new();
    let releases = Releases::with(RELEASE.0.clone(), Some("0".repeat(64)), Manner::Whole);
    assert_refused(&place, &releases, "and should be 0000");
    assert_eq!(psql(&Releases::good().start(&place), "SELECT 1"), "1");
}

#[test]
fn what_is_no_whole_archive_is_refused() {
    let place = Place::new();
    let half = RELEASE.0[..RELEASE.0.len() / 2].to_vec();
    for archive in [b"<html>Sign in first</html>".to_vec(), Vec::new(), half] {
        assert_refused(&place, &served(archive), "it isn't a whole .tar.gz archive");
    }
    assert_eq!(psql(&Releases::good().start(&place), "SELECT 1"), "1");
}

#[test]
fn an_archive_without_a_server_is_refused() {
    let place = Place::new();
    let clients = place.path("clients");
    fs::create_dir_all(clients.join("bin")).unwrap();
    fs::write(clients.join("bin/postgres"), "").unwrap();
    assert_refused(&place, &served(packed(&clients)), "it doesn't hold bin/initdb");
}

#[test]
fn an_archive_of_another_version_or_platform_is_refused() {
    let place = Place::new();
    let other = place.fake_installation("99.0");
    let home = place.path("home");
    fs::create_dir(&home).unwrap();
    fs::rename(other, home.join("bin")).unwrap();
    assert_refused(&place, &served(packed(&home)), "it holds PostgreSQL 99");

    fs::write(home.join("bin/postgres"), b"\x7fELF of another processor").unwrap();
    assert_refused(&place, &served(packed(&home)), "its programs don't run on this machine");
}

#[test]
fn no_entry_leads_out_of_the_folder() {
    let place = Place::new();
    let outside = place.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::set_permissions(&outside, Permissions::from_mode(0o777)).unwrap();
    let outside = outside.to_str().unwrap();
    let file = |name: &str| {
        let mut crafted = Crafted::new();
        crafted.entry(name, EntryType::Regular, 0o644, None);
        crafted
    };
    let link = |target: &str, then: &str| {
        let mut crafted = Crafted::new();
        crafted.entry("pg/lib/way", EntryType::Symlink, 0o777, Some(target));
        crafted.entry(then, EntryType::Regular, 0o644, None);
        crafted
    };
    for (crafted, words) in [
        (file("pg/../../../escaped"), "pg/../../../escaped leads out of it"),
        (file("../escaped"), "leads out of it"),
        (file(&format!("{outside}/escaped")), "leads out of it"),
        (link(outside, "pg/lib/way/escaped"), "its link pg/lib/way leads out of it"),
        (link("../../../outside", "pg/lib/way/escaped"), "its link pg/lib/way leads out of it"),
        (link("../bin", "pg/lib/way/escaped"), "pg/lib/way/escaped leads through a link"),
        (link("../bin/initdb", "pg/lib/way"), "pg/lib/way leads through a link"),
        (link("../bin", "pg/lib/WAY/escaped"), "leads through a link"),
    ] {
        assert_refused(&place, &served(crafted.finish()), words);
        for escaped in [place.path("escaped"), place.path("cache/escaped"), PathBuf::from(outside).join("escaped")] {
            assert!(!escaped.exists(), "{}", escaped.display());
        }
    }
}

#[test]
fn devices_and_borrowed_rights_are_refused() {
    let place = Place::new();
    let mut device = Crafted::new();
    device.entry("pg/lib/memory", EntryType::Char, 0o666, None);
    assert_refused(&place, &served(device.finish()), "is neither file, folder nor link");
    let mut rights = Crafted::new();
    rights.entry("pg/lib/shell", EntryType::Regular, 0o4755, None);
    assert_refused(&place, &served(rights.finish()), "would run with the rights of its owner");
}

#[test]
fn an_installation_is_readable_and_written_by_its_owner_alone() {
    // Whatever the archive says; links stay links.
    let place = Place::new();
    let home = place.path("home");
    copy_installation(&place, &home);
    fs::set_permissions(home.join("bin/postgres"), Permissions::from_mode(0o777)).unwrap();
    File::create(home.join("bin/notes")).unwrap();
    fs::set_permissions(home.join("bin/notes"), Permissions::from_mode(0o600)).unwrap();
    symlink("psql", home.join("bin/client")).unwrap();
    let server = served(packed(&home)).start(&place);
    let mode = |name: &str| crate::support::mode(server.binaries().join(name));
    assert_eq!((mode("postgres"), mode("notes"), mode("")), (0o755, 0o644, 0o755));
    assert_eq!(fs::read_link(server.binaries().join("client")).unwrap(), Path::new("psql"));
}
