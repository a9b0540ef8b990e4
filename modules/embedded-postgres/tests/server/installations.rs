//! Discovery and selection of the installation.

use std::env::join_paths;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use embedded_postgres::{Error, Inspection, Options, Server};

use crate::support::{TestDir, assert_start_fails, psql, script};

fn options_with_bin_dir(test_dir: &TestDir, bin_dir: &Path) -> Options {
    Options { bin_dir: Some(bin_dir.to_owned()), ..test_dir.options() }
}

/// Creates a directory with links to some programs of an installation.
fn link_programs(bin_dir: &Path, dir: &Path, programs: [&str; 2]) {
    fs::create_dir(dir).unwrap();
    for name in programs {
        symlink(bin_dir.join(name), dir.join(name)).unwrap();
    }
}

#[test]
fn explicit_bin_dir_disables_discovery() {
    let test_dir = TestDir::new();
    let missing = test_dir.path("nothing");
    assert_start_fails!(options_with_bin_dir(&test_dir, &missing), Error::InvalidBinDir { dir } if *dir == missing);
    assert!(!test_dir.root().exists(), "a directory was created");
}

#[test]
fn client_only_installation_is_skipped() {
    let test_dir = TestDir::new();
    let dir = test_dir.fake_installation("17.0");
    fs::remove_file(dir.join("initdb")).unwrap();
    assert_start_fails!(options_with_bin_dir(&test_dir, &dir), Error::InvalidBinDir { .. });
}

#[test]
fn server_before_15_is_rejected() {
    let test_dir = TestDir::new();
    let options = options_with_bin_dir(&test_dir, &test_dir.fake_installation("14.11"));
    let message = assert_start_fails!(options, Error::TooOld { major: 14, .. });
    assert!(message.contains("version 15 or newer"), "{message}");
}

#[test]
fn matching_major_version_is_selected() {
    let (test_dir, server) = TestDir::with_server();
    let (version, real) = (server.major(), server.bin_dir().to_owned());
    drop(server);
    let mut options = test_dir.options();
    let fake = test_dir.fake_installation("99.0");
    options.search_path = Some(join_paths([&fake, &test_dir.path("missing"), &real]).unwrap());
    let server = Server::start(options.clone()).unwrap();
    assert_eq!(server.major(), version);
    assert_ne!(server.bin_dir(), fake);
    let newer = server.newer_installation().unwrap();
    assert_eq!((newer.major(), newer.bin_dir()), (99, &*fake), "the newer installation must be reported");
    assert_eq!(psql(&server, "SELECT 1"), "1");
    drop(server);

    // New data is created with the newest version.
    options.root = test_dir.path("other");
    assert_start_fails!(options, Error::InitdbFailed { output, .. } if output == "only a fake");
}

#[test]
fn missing_major_version_is_reported() {
    let test_dir = TestDir::with_data();
    let file = test_dir.root().join("data/PG_VERSION");
    let written = fs::read_to_string(&file).unwrap();
    fs::write(&file, "12\n").unwrap();
    let message = assert_start_fails!(test_dir.options(), Error::MajorVersionMismatch { data_major: 12, .. });
    let found = format!("{} (in ", written.trim());
    assert!(message.contains("PostgreSQL 12") && message.contains(&found), "{message}");
    fs::write(&file, written).unwrap();
    assert_eq!(psql(&test_dir.start(), "SELECT 1"), "1");
}

#[test]
fn explicit_version_mismatch_is_reported() {
    let test_dir = TestDir::with_data();
    let fake = test_dir.fake_installation("99.0");
    let error = Server::start(options_with_bin_dir(&test_dir, &fake)).unwrap_err();
    let Error::MajorVersionMismatch { configured: true, installations, .. } = &error else { panic!("{error:?}") };
    assert_eq!(installations[0].bin_dir(), fake);
    assert!(error.to_string().contains(fake.to_str().unwrap()), "{error}");
    assert_eq!(psql(&test_dir.start(), "SELECT 1"), "1", "the data was damaged");
}

#[test]
fn missing_program_names_package() {
    let test_dir = TestDir::new();
    let options = options_with_bin_dir(&test_dir, &test_dir.fake_installation("17.2"));
    let installation = Inspection::of(options).unwrap().installation().unwrap();
    let missing = installation.command("pg_dump").unwrap_err().to_string();
    assert!(missing.contains("has no `pg_dump`") && missing.contains("postgresql-client-17"), "{missing}");
}

#[test]
fn clients_come_from_selected_installation() {
    // Links to some of the programs, as packages and administrators put them on the search path.
    let test_dir = TestDir::new();
    let real = test_dir.default_bin_dir();
    let links = test_dir.path("links");
    link_programs(&real, &links, ["postgres", "initdb"]);
    let options = Options { search_path: Some(links.into_os_string()), ..test_dir.options() };
    assert_eq!(Server::start(options).unwrap().bin_dir(), real);
}

#[test]
fn missing_locale_falls_back_to_c() {
    let test_dir = TestDir::new();
    let real = test_dir.default_bin_dir();
    let dir = test_dir.path("without-locale");
    link_programs(&real, &dir, ["postgres", "psql"]);
    let reject_locale =
        r#"case "$*" in *C.UTF-8*) echo 'initdb: error: invalid locale name "C.UTF-8"' >&2; exit 1 ;; esac"#;
    script(&dir.join("initdb"), &format!("{reject_locale}\nexec '{}' \"$@\"", real.join("initdb").display()));
    let server = Server::start(Options { bin_dir: Some(dir), ..test_dir.options_at(test_dir.path("other")) }).unwrap();
    assert_eq!(psql(&server, "SELECT datcollate FROM pg_database WHERE datname = 'postgres'"), "C");
    assert_eq!(psql(&server, "SHOW server_encoding"), "UTF8");
}
