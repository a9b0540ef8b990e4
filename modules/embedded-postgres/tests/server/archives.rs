//! Invalid archives. Each is rejected, and nothing of it is kept or written elsewhere.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use embedded_postgres::Error;
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use crate::download::assert_clean_failure;
use crate::release_server::{Delivery, RELEASE, ReleaseServer, copy_installation, pack};
use crate::support::{TestDir, assert_start_fails, psql};

/// Asserts that the release is rejected with this message and leaves nothing in the cache.
fn assert_rejected(test_dir: &TestDir, releases: &ReleaseServer, expected: &str) {
    let message = assert_start_fails!(releases.options(test_dir), Error::InvalidArchive { .. });
    assert_clean_failure(test_dir, &message, expected);
}

fn serve(archive: Vec<u8>) -> ReleaseServer {
    ReleaseServer::of(archive, Delivery::Complete)
}

/// Writes entries that `tar` itself would reject, by setting names directly in the header.
struct ArchiveBuilder(Builder<GzEncoder<Vec<u8>>>);

impl ArchiveBuilder {
    fn new() -> Self {
        let mut builder = Self(Builder::new(GzEncoder::new(Vec::new(), Compression::fast())));
        for dir in ["pg/", "pg/bin/", "pg/lib/"] {
            builder.entry(dir, EntryType::Directory, 0o755, None);
        }
        for program in ["pg/bin/postgres", "pg/bin/initdb"] {
            builder.entry(program, EntryType::Regular, 0o755, None);
        }
        builder
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
fn wrong_checksum_is_rejected() {
    let test_dir = TestDir::new();
    let mut releases = ReleaseServer::good();
    releases.sha256 = "0".repeat(64);
    assert_rejected(&test_dir, &releases, "expected 0000");
    assert_eq!(psql(&ReleaseServer::good().start(&test_dir), "SELECT 1"), "1");
}

#[test]
fn truncated_archive_is_rejected() {
    let test_dir = TestDir::new();
    let half = RELEASE.0[..RELEASE.0.len() / 2].to_vec();
    for archive in [b"<html>Sign in first</html>".to_vec(), Vec::new(), half] {
        assert_rejected(&test_dir, &serve(archive), "it isn't a complete .tar.gz archive");
    }
    assert_eq!(psql(&ReleaseServer::good().start(&test_dir), "SELECT 1"), "1");
}

#[test]
fn archive_without_server_is_rejected() {
    let test_dir = TestDir::new();
    let clients = test_dir.path("clients");
    fs::create_dir_all(clients.join("bin")).unwrap();
    fs::write(clients.join("bin/postgres"), "").unwrap();
    assert_rejected(&test_dir, &serve(pack(&clients)), "it doesn't contain bin/initdb");
}

#[test]
fn archive_for_other_version_or_platform_is_rejected() {
    let test_dir = TestDir::new();
    let other = test_dir.fake_installation("99.0");
    let install_dir = test_dir.path("home");
    fs::create_dir(&install_dir).unwrap();
    fs::rename(other, install_dir.join("bin")).unwrap();
    assert_rejected(&test_dir, &serve(pack(&install_dir)), "it contains PostgreSQL 99");

    fs::write(install_dir.join("bin/postgres"), b"\x7fELF of another processor").unwrap();
    assert_rejected(&test_dir, &serve(pack(&install_dir)), "its programs don't run on this machine");
}

#[test]
fn archive_entries_cannot_escape() {
    let test_dir = TestDir::new();
    let outside = test_dir.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::set_permissions(&outside, Permissions::from_mode(0o777)).unwrap();
    let outside = outside.to_str().unwrap();
    let file = |name: &str| {
        let mut builder = ArchiveBuilder::new();
        builder.entry(name, EntryType::Regular, 0o644, None);
        builder
    };
    let link = |target: &str, then: &str| {
        let mut builder = ArchiveBuilder::new();
        builder.entry("pg/lib/way", EntryType::Symlink, 0o777, Some(target));
        builder.entry(then, EntryType::Regular, 0o644, None);
        builder
    };
    for (builder, expected) in [
        (file("pg/../../../escaped"), "pg/../../../escaped points outside of it"),
        (file("../escaped"), "points outside of it"),
        (file(&format!("{outside}/escaped")), "points outside of it"),
        (link(outside, "pg/lib/way/escaped"), "its symbolic link pg/lib/way points outside of it"),
        (link("../../../outside", "pg/lib/way/escaped"), "its symbolic link pg/lib/way points outside of it"),
        (link("../bin", "pg/lib/way/escaped"), "pg/lib/way/escaped passes through a symbolic link"),
        (link("../bin/initdb", "pg/lib/way"), "pg/lib/way passes through a symbolic link"),
        (link("../bin", "pg/lib/WAY/escaped"), "passes through a symbolic link"),
    ] {
        assert_rejected(&test_dir, &serve(builder.finish()), expected);
        for escaped in
            [test_dir.path("escaped"), test_dir.path("cache/escaped"), PathBuf::from(outside).join("escaped")]
        {
            assert!(!escaped.exists(), "{}", escaped.display());
        }
    }
}

#[test]
fn devices_and_setuid_are_rejected() {
    let test_dir = TestDir::new();
    let mut device = ArchiveBuilder::new();
    device.entry("pg/lib/memory", EntryType::Char, 0o666, None);
    assert_rejected(&test_dir, &serve(device.finish()), "is not a file, directory or link");
    let mut setuid = ArchiveBuilder::new();
    setuid.entry("pg/lib/shell", EntryType::Regular, 0o4755, None);
    assert_rejected(&test_dir, &serve(setuid.finish()), "is setuid or setgid");
}

#[test]
fn installation_is_owner_writable_only() {
    // Regardless of the modes in the archive. Links remain links.
    let test_dir = TestDir::new();
    let install_dir = test_dir.path("home");
    copy_installation(&test_dir, &install_dir);
    fs::set_permissions(install_dir.join("bin/postgres"), Permissions::from_mode(0o777)).unwrap();
    File::create(install_dir.join("bin/notes")).unwrap();
    fs::set_permissions(install_dir.join("bin/notes"), Permissions::from_mode(0o600)).unwrap();
    symlink("psql", install_dir.join("bin/client")).unwrap();
    let server = serve(pack(&install_dir)).start(&test_dir);
    let mode = |name: &str| crate::support::mode(server.bin_dir().join(name));
    assert_eq!((mode("postgres"), mode("notes"), mode("")), (0o755, 0o644, 0o755));
    assert_eq!(fs::read_link(server.bin_dir().join("client")).unwrap(), Path::new("psql"));
}
