//! Whose the folders are, and which.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use embedded_postgres::{Error, Look, Server};
use nix::unistd::geteuid;

use crate::support::{Place, is_root, mode, owner, psql, user_of};

#[test]
fn root_hands_server_and_folders_to_another_user() {
    if !is_root("root_hands_server_and_folders_to_another_user") {
        return;
    }
    let place = Place::new();
    let server = place.start();
    let user = user_of(server.pid());
    assert_ne!(user, 0);
    for path in [server.root(), &server.root().join("data"), server.socket_dir(), &server.log_file()] {
        assert_eq!(owner(path), user, "{}", path.display());
    }
    assert_eq!(psql(&server, "SELECT current_user"), "postgres");
}

#[test]
fn the_folders_are_closed_to_everybody_else() {
    let place = Place::new();
    fs::create_dir(place.root()).unwrap();
    fs::set_permissions(place.root(), Permissions::from_mode(0o777)).unwrap();
    let server = place.start();
    for folder in [server.root(), &server.root().join("data"), server.socket_dir()] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    assert_eq!(mode(server.log_file()), 0o600);
}

#[test]
fn below_a_closed_folder_another_one_is_used_and_found_again() {
    if !is_root("below_a_closed_folder_another_one_is_used_and_found_again") {
        return;
    }
    let place = Place::new();
    let closed = place.path("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    let mut options = place.options();
    options.root = closed.join("pg");

    let server = Server::start(options.clone()).unwrap();
    assert!(server.root().starts_with(place.path("fallback")), "{}", server.root().display());
    assert_eq!(fs::read_link(closed.join("pg")).unwrap(), server.root());
    psql(&server, "CREATE TABLE t (n int)");
    assert!(matches!(Server::start(options.clone()), Err(Error::InUse { .. })));
    server.stop().unwrap();
    let server = Server::start(options.clone()).unwrap();
    assert_eq!(psql(&server, "SELECT count(*) FROM t"), "0");
    drop(server);
    // Somebody deleted the folder in which the link was.
    fs::remove_file(closed.join("pg")).unwrap();
    assert_eq!(psql(&Server::start(options).unwrap(), "SELECT count(*) FROM t"), "0");
}

#[test]
fn a_moved_folder_is_the_same_database() {
    let place = Place::new();
    let server = place.start();
    psql(&server, "CREATE TABLE t AS SELECT 42 AS n");
    server.settle().unwrap();
    server.stop().unwrap();
    fs::create_dir(place.path("elsewhere")).unwrap();
    let mut options = place.options();
    options.root = place.path("elsewhere/renamed");
    fs::rename(place.root(), &options.root).unwrap();
    let server = Server::start(options.clone()).unwrap();
    assert_eq!(psql(&server, "SELECT n FROM t"), "42");
    assert!(!server.is_new());
    assert_eq!(server.root(), options.root);
    assert!(!place.root().exists());
}

#[test]
fn a_database_that_lies_elsewhere_is_found_after_a_move_and_missed_when_it_is_gone() {
    if !is_root("a_database_that_lies_elsewhere_is_found_after_a_move_and_missed_when_it_is_gone") {
        return;
    }
    let place = Place::new();
    let closed = place.path("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    let mut options = place.options();
    options.root = closed.join("pg");
    let server = Server::start(options.clone()).unwrap();
    let root = server.root().to_owned();
    psql(&server, "CREATE TABLE t AS SELECT 42 AS n");
    server.stop().unwrap();

    fs::rename(&closed, place.path("moved")).unwrap();
    options.root = place.path("moved/pg");
    let server = Server::start(options.clone()).unwrap();
    assert_eq!(server.root(), root);
    assert_eq!(psql(&server, "SELECT n FROM t"), "42");
    assert_eq!(Look::at(options.clone()).unwrap().root(), root);
    server.stop().unwrap();

    fs::rename(&root, place.path("lost")).unwrap();
    for refused in [Server::start(options.clone()).map(drop), Look::at(options.clone()).map(drop)] {
        assert!(matches!(&refused, Err(Error::LinkToNowhere { target, .. }) if *target == root), "{refused:?}");
    }
    assert!(!root.exists(), "a new database was begun");
}

#[test]
fn a_database_that_was_moved_into_a_closed_folder_is_not_begun_anew() {
    if !is_root("a_database_that_was_moved_into_a_closed_folder_is_not_begun_anew") {
        return;
    }
    let place = Place::new();
    drop(place.start());
    let closed = place.path("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    fs::rename(place.root(), closed.join("pg")).unwrap();
    let mut options = place.options();
    options.root = closed.join("pg");
    for refused in [Server::start(options.clone()).map(drop), Look::at(options.clone()).map(drop)] {
        assert!(matches!(&refused, Err(Error::Closed { folder, .. }) if *folder == closed), "{refused:?}");
    }
    assert!(!place.path("fallback").exists());
}

#[test]
fn a_fallback_that_is_closed_as_well_is_an_error() {
    if !is_root("a_fallback_that_is_closed_as_well_is_an_error") {
        return;
    }
    let place = Place::new();
    let closed = place.path("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    let mut options = place.options();
    options.root = closed.join("pg");
    options.closed_parent_fallback = closed.join("fallback");
    let refused = Server::start(options);
    assert!(matches!(refused, Err(Error::Closed { .. })), "{refused:?}");
}

#[test]
fn a_path_too_long_for_a_socket_gets_a_short_one() {
    let place = Place::new();
    let mut options = place.options();
    options.root = place.path(&"long".repeat(30));
    let server = Server::start(options.clone()).unwrap();
    let socket = server.socket_dir().to_owned();
    assert!(socket.to_str().unwrap().starts_with(place.path("socket-").to_str().unwrap()), "{}", socket.display());
    assert_eq!(mode(&socket), 0o700);
    assert_eq!(owner(&socket), owner(server.root()));
    assert_eq!(psql(&server, "SELECT 1"), "1");
    server.stop().unwrap();
    assert!(!socket.exists(), "nothing is left outside of the root");

    // A link to a folder that is fine in itself: whoever made it may turn it elsewhere.
    let target = place.path("target");
    fs::create_dir(&target).unwrap();
    symlink(&target, &socket).unwrap();
    let refused = Server::start(options.clone());
    assert!(matches!(refused, Err(Error::UnsafeSocketFolder { .. })), "{refused:?}");
    fs::remove_file(&socket).unwrap();

    options.socket_fallback = place.path(&"longer".repeat(15));
    let refused = Server::start(options);
    assert!(matches!(refused, Err(Error::BadSocketPath { .. })), "{refused:?}");
}

#[test]
fn a_socket_folder_of_somebody_else_is_refused() {
    if !is_root("a_socket_folder_of_somebody_else_is_refused") {
        return;
    }
    let place = Place::new();
    let mut options = place.options();
    options.root = place.path(&"long".repeat(30));
    let server = Server::start(options.clone()).unwrap();
    let socket = server.socket_dir().to_owned();
    server.stop().unwrap();
    fs::create_dir(&socket).unwrap();
    chown(&socket, Some(54321), Some(54321)).unwrap();
    let refused = Server::start(options);
    assert!(matches!(refused, Err(Error::UnsafeSocketFolder { .. })), "{refused:?}");
}

#[test]
fn a_folder_with_other_things_in_it_is_left_alone() {
    let place = Place::new();
    fs::create_dir(place.root()).unwrap();
    fs::set_permissions(place.root(), Permissions::from_mode(0o755)).unwrap();
    fs::write(place.root().join("letter.txt"), "Dear").unwrap();
    let refused = Server::start(place.options());
    assert!(matches!(refused, Err(Error::NotOurs { .. })), "{refused:?}");
    assert_eq!(mode(place.root()), 0o755);
    assert_eq!(owner(place.root()), geteuid().as_raw());
    assert_eq!(fs::read_dir(place.root()).unwrap().count(), 1);
}

#[test]
fn a_folder_of_somebody_else_is_refused() {
    if !is_root("a_folder_of_somebody_else_is_refused") {
        return;
    }
    let place = Place::new();
    fs::create_dir(place.root()).unwrap();
    chown(place.root(), Some(54321), Some(54321)).unwrap();
    let refused = Server::start(place.options());
    assert!(matches!(refused, Err(Error::WrongOwner { owner: 54321, .. })), "{refused:?}");
}

#[test]
fn blanks_commas_and_quotes_in_a_path_are_fine() {
    let place = Place::new();
    let mut options = place.options();
    options.root = place.path("it's \"a, b\" $HOME");
    let server = Server::start(options.clone()).unwrap();
    assert_eq!(psql(&server, "SELECT 1"), "1");
    drop(server);
    drop(Server::start(options).unwrap());
}

#[test]
fn two_paths_to_one_folder_are_one_folder() {
    let place = Place::new();
    let server = place.start();
    symlink(place.root(), place.path("link")).unwrap();
    let mut options = place.options();
    options.root = place.path("link");
    let refused = Server::start(options);
    assert!(matches!(&refused, Err(Error::InUse { folder }) if folder == server.root()), "{refused:?}");
}

#[test]
fn a_large_log_is_put_aside_at_the_start() {
    let place = Place::new();
    let server = place.start();
    let log = server.log_file();
    drop(server);
    fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(11 * 1024 * 1024).unwrap();
    drop(place.start());
    assert!(fs::metadata(&log).unwrap().len() < 1024 * 1024);
    assert_eq!(fs::metadata(place.root().join("postgres.log.1")).unwrap().len(), 11 * 1024 * 1024);
}
