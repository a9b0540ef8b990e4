//! Which PostgreSQL is used.

use std::env::join_paths;
use std::fs;
use std::os::unix::fs::symlink;

use embedded_postgres::{Error, Look, Server};

use crate::support::{Place, psql, script};

#[test]
fn a_configured_folder_is_the_only_one_that_counts() {
    let place = Place::new();
    let mut options = place.options();
    options.binaries = Some(place.path("nothing"));
    let refused = Server::start(options);
    assert!(matches!(&refused, Err(Error::NotBinaries { folder }) if *folder == place.path("nothing")), "{refused:?}");
    assert!(!place.root().exists(), "nothing was created for it");
}

#[test]
fn clients_alone_are_no_server() {
    let place = Place::new();
    let folder = place.fake_installation("17.0");
    fs::remove_file(folder.join("initdb")).unwrap();
    let mut options = place.options();
    options.binaries = Some(folder);
    assert!(matches!(Server::start(options), Err(Error::NotBinaries { .. })));
}

#[test]
fn a_server_before_15_is_refused() {
    let place = Place::new();
    let mut options = place.options();
    options.binaries = Some(place.fake_installation("14.11"));
    let refused = Server::start(options).unwrap_err();
    assert!(matches!(refused, Error::TooOld { major: 14, .. }), "{refused:?}");
    assert!(refused.to_string().contains("version 15 or newer"), "{refused}");
}

#[test]
fn existing_data_is_served_by_the_version_that_wrote_it() {
    let place = Place::new();
    let server = place.start();
    let (version, real) = (server.version(), server.binaries().to_owned());
    drop(server);
    let mut options = place.options();
    let fake = place.fake_installation("99.0");
    options.search_path = Some(join_paths([&fake, &place.path("missing"), &real]).unwrap());
    let server = Server::start(options.clone()).unwrap();
    assert_eq!(server.version(), version);
    assert_ne!(server.binaries(), fake);
    let newer = server.newer().unwrap();
    assert_eq!((newer.major(), newer.folder()), (99, &*fake), "the newer one isn't kept quiet");
    assert_eq!(psql(&server, "SELECT 1"), "1");
    drop(server);

    // For new data the newest is taken.
    options.root = place.path("other");
    let refused = Server::start(options);
    assert!(matches!(&refused, Err(Error::NotCreated { output, .. }) if output == "only a fake"), "{refused:?}");
}

#[test]
fn data_of_a_version_that_is_not_installed_is_explained_and_kept() {
    let place = Place::new();
    drop(place.start());
    let file = place.root().join("data/PG_VERSION");
    let written = fs::read_to_string(&file).unwrap();
    fs::write(&file, "12\n").unwrap();
    let refused = Server::start(place.options()).unwrap_err();
    assert!(matches!(refused, Error::OtherMajor { data: 12, .. }), "{refused:?}");
    let message = refused.to_string();
    let found = format!("{} (in ", written.trim());
    assert!(message.contains("PostgreSQL 12") && message.contains(&found), "{message}");
    fs::write(&file, written).unwrap();
    assert_eq!(psql(&place.start(), "SELECT 1"), "1");
}

#[test]
fn a_configured_version_that_cannot_read_the_data_is_explained_with_where_it_is() {
    let place = Place::new();
    drop(place.start());
    let mut options = place.options();
    let fake = place.fake_installation("99.0");
    options.binaries = Some(fake.clone());
    let refused = Server::start(options).unwrap_err();
    assert!(matches!(&refused, Error::OtherMajor { configured: true, found, .. } if found[0].folder() == fake));
    assert!(refused.to_string().contains(fake.to_str().unwrap()), "{refused}");
    assert_eq!(psql(&place.start(), "SELECT 1"), "1", "the data was harmed");
}

#[test]
fn a_program_that_an_installation_lacks_is_named_with_its_package() {
    let place = Place::new();
    let mut options = place.options();
    options.binaries = Some(place.fake_installation("17.2"));
    let installation = Look::at(options).unwrap().installation().unwrap();
    let missing = installation.command("pg_dump").unwrap_err().to_string();
    assert!(missing.contains("`pg_dump` isn't part of") && missing.contains("postgresql-client-17"), "{missing}");
}

#[test]
fn the_folder_in_use_holds_the_clients_as_well() {
    // Links to some of the programs, as a package or an administrator puts them on the search path.
    let place = Place::new();
    let server = place.start();
    let real = server.binaries().to_owned();
    drop(server);
    let links = place.path("links");
    fs::create_dir(&links).unwrap();
    for name in ["postgres", "initdb"] {
        symlink(real.join(name), links.join(name)).unwrap();
    }
    let mut options = place.options();
    options.search_path = Some(links.into_os_string());
    assert_eq!(Server::start(options).unwrap().binaries(), real);
}

#[test]
fn where_a_system_lacks_the_locale_the_plain_one_is_used() {
    let place = Place::new();
    let server = place.start();
    let real = server.binaries().to_owned();
    drop(server);
    let folder = place.path("without-locale");
    fs::create_dir(&folder).unwrap();
    for name in ["postgres", "psql"] {
        symlink(real.join(name), folder.join(name)).unwrap();
    }
    let refuse = r#"case "$*" in *C.UTF-8*) echo 'initdb: error: invalid locale name "C.UTF-8"' >&2; exit 1 ;; esac"#;
    script(&folder.join("initdb"), &format!("{refuse}\nexec '{}' \"$@\"", real.join("initdb").display()));
    let mut options = place.options();
    options.root = place.path("other");
    options.binaries = Some(folder);
    let server = Server::start(options).unwrap();
    assert_eq!(psql(&server, "SELECT datcollate FROM pg_database WHERE datname = 'postgres'"), "C");
    assert_eq!(psql(&server, "SHOW server_encoding"), "UTF8");
}
