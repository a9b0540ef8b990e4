//! Ownership, fallbacks and moves of the directories.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use embedded_postgres::{Error, Inspection, Options, Server};
use nix::unistd::geteuid;

use crate::support::{TestDir, assert_start_fails, mode, owner, process, psql, require_root};

#[test]
fn root_drops_to_server_user() {
    require_root!("root_drops_to_server_user");
    let (_test_dir, server) = TestDir::with_server();
    let user = process(server.pid()).user;
    assert_ne!(user, 0);
    let socket = server.connection_info().socket_dir();
    for path in [server.root(), &server.root().join("data"), socket, &server.log_file()] {
        assert_eq!(owner(path), user, "{}", path.display());
    }
    assert_eq!(psql(&server, "SELECT current_user"), "postgres");
}

#[test]
fn directories_have_mode_0700() {
    let test_dir = TestDir::new();
    fs::create_dir(test_dir.root()).unwrap();
    fs::set_permissions(test_dir.root(), Permissions::from_mode(0o777)).unwrap();
    let server = test_dir.start();
    for dir in [server.root(), &server.root().join("data"), server.connection_info().socket_dir()] {
        assert_eq!(mode(dir), 0o700, "{}", dir.display());
    }
    assert_eq!(mode(server.log_file()), 0o600);
}

#[test]
fn unreadable_parent_uses_stable_fallback() {
    require_root!("unreadable_parent_uses_stable_fallback");
    let test_dir = TestDir::new();
    let closed = test_dir.private_dir();
    let options = test_dir.options_at(closed.join("pg"));

    let server = Server::start(options.clone()).unwrap();
    assert!(server.root().starts_with(test_dir.path("fallback")), "{}", server.root().display());
    assert_eq!(fs::read_link(closed.join("pg")).unwrap(), server.root());
    psql(&server, "CREATE TABLE t (n int)");
    assert_start_fails!(options.clone(), Error::InUse { .. });
    server.stop().unwrap();
    let server = Server::start(options.clone()).unwrap();
    assert_eq!(psql(&server, "SELECT count(*) FROM t"), "0");
    drop(server);
    // The link was deleted. The fallback is still found by its name.
    fs::remove_file(closed.join("pg")).unwrap();
    assert_eq!(psql(&Server::start(options).unwrap(), "SELECT count(*) FROM t"), "0");
}

#[test]
fn moved_directory_keeps_database() {
    let (test_dir, server) = TestDir::with_server();
    psql(&server, "CREATE TABLE t AS SELECT 42 AS n");
    server.mark_initialized().unwrap();
    server.stop().unwrap();
    fs::create_dir(test_dir.path("elsewhere")).unwrap();
    let options = test_dir.options_at(test_dir.path("elsewhere/renamed"));
    fs::rename(test_dir.root(), &options.root).unwrap();
    let server = Server::start(options.clone()).unwrap();
    assert_eq!(psql(&server, "SELECT n FROM t"), "42");
    assert!(!server.needs_setup());
    assert_eq!(server.root(), options.root);
    assert!(!test_dir.root().exists());
}

#[test]
fn fallback_data_survives_move_and_missing_is_reported() {
    require_root!("fallback_data_survives_move_and_missing_is_reported");
    let test_dir = TestDir::new();
    let closed = test_dir.private_dir();
    let mut options = test_dir.options_at(closed.join("pg"));
    let server = Server::start(options.clone()).unwrap();
    let root = server.root().to_owned();
    psql(&server, "CREATE TABLE t AS SELECT 42 AS n");
    server.stop().unwrap();

    fs::rename(&closed, test_dir.path("moved")).unwrap();
    options.root = test_dir.path("moved/pg");
    let server = Server::start(options.clone()).unwrap();
    assert_eq!(server.root(), root);
    assert_eq!(psql(&server, "SELECT n FROM t"), "42");
    assert_eq!(Inspection::of(options.clone()).unwrap().root(), root);
    server.stop().unwrap();

    fs::rename(&root, test_dir.path("lost")).unwrap();
    for result in [Server::start(options.clone()).map(drop), Inspection::of(options.clone()).map(drop)] {
        assert!(matches!(&result, Err(Error::DanglingLink { target, .. }) if *target == root), "{result:?}");
    }
    assert!(!root.exists(), "a new database was created");
}

#[test]
fn unreadable_moved_data_is_not_reinitialized() {
    require_root!("unreadable_moved_data_is_not_reinitialized");
    let test_dir = TestDir::with_data();
    let closed = test_dir.private_dir();
    fs::rename(test_dir.root(), closed.join("pg")).unwrap();
    let options = test_dir.options_at(closed.join("pg"));
    for result in [Server::start(options.clone()).map(drop), Inspection::of(options.clone()).map(drop)] {
        assert!(matches!(&result, Err(Error::ParentNotAccessible { dir, .. }) if *dir == closed), "{result:?}");
    }
    assert!(!test_dir.path("fallback").exists());
}

#[test]
fn unreadable_fallback_is_an_error() {
    require_root!("unreadable_fallback_is_an_error");
    let test_dir = TestDir::new();
    let closed = test_dir.private_dir();
    let fallback_root_dir = closed.join("fallback");
    let options = Options { fallback_root_dir, ..test_dir.options_at(closed.join("pg")) };
    assert_start_fails!(options, Error::ParentNotAccessible { .. });
}

#[test]
fn long_socket_path_uses_short_dir() {
    let test_dir = TestDir::new();
    let mut options = test_dir.options_at(test_dir.path(&"long".repeat(30)));
    let server = Server::start(options.clone()).unwrap();
    let socket = server.connection_info().socket_dir().to_owned();
    assert!(socket.to_str().unwrap().starts_with(test_dir.path("socket-").to_str().unwrap()), "{}", socket.display());
    assert_eq!(mode(&socket), 0o700);
    assert_eq!(owner(&socket), owner(server.root()));
    assert_eq!(psql(&server, "SELECT 1"), "1");
    server.stop().unwrap();
    assert!(!socket.exists(), "the socket directory outside of the root was not removed");

    // A link is rejected even if its target is safe, since its owner could change it.
    let target = test_dir.path("target");
    fs::create_dir(&target).unwrap();
    symlink(&target, &socket).unwrap();
    assert_start_fails!(options.clone(), Error::UnsafeSocketDir { .. });
    fs::remove_file(&socket).unwrap();

    options.fallback_socket_prefix = test_dir.path(&"longer".repeat(15));
    assert_start_fails!(options, Error::InvalidSocketPath { .. });
}

#[test]
fn other_users_socket_dir_is_rejected() {
    require_root!("other_users_socket_dir_is_rejected");
    let test_dir = TestDir::new();
    let options = test_dir.options_at(test_dir.path(&"long".repeat(30)));
    let server = Server::start(options.clone()).unwrap();
    let socket = server.connection_info().socket_dir().to_owned();
    server.stop().unwrap();
    fs::create_dir(&socket).unwrap();
    chown(&socket, Some(54321), Some(54321)).unwrap();
    assert_start_fails!(options, Error::UnsafeSocketDir { .. });
}

#[test]
fn non_empty_foreign_directory_is_rejected() {
    let test_dir = TestDir::new();
    fs::create_dir(test_dir.root()).unwrap();
    fs::set_permissions(test_dir.root(), Permissions::from_mode(0o755)).unwrap();
    fs::write(test_dir.root().join("unrelated.txt"), "Dear").unwrap();
    assert_start_fails!(test_dir.options(), Error::ForeignDirectory { .. });
    assert_eq!(mode(test_dir.root()), 0o755);
    assert_eq!(owner(test_dir.root()), geteuid().as_raw());
    assert_eq!(fs::read_dir(test_dir.root()).unwrap().count(), 1);
}

#[test]
fn foreign_owner_is_rejected() {
    require_root!("foreign_owner_is_rejected");
    let test_dir = TestDir::new();
    fs::create_dir(test_dir.root()).unwrap();
    chown(test_dir.root(), Some(54321), Some(54321)).unwrap();
    assert_start_fails!(test_dir.options(), Error::WrongOwner { owner: 54321, .. });
}

#[test]
fn server_starts_in_path_with_special_characters() {
    let test_dir = TestDir::new();
    let options = test_dir.options_at(test_dir.path("it's \"a, b\" $HOME"));
    let server = Server::start(options.clone()).unwrap();
    assert_eq!(psql(&server, "SELECT 1"), "1");
    drop(server);
    drop(Server::start(options).unwrap());
}

#[test]
fn symlinked_path_is_the_same_folder() {
    let (test_dir, server) = TestDir::with_server();
    symlink(test_dir.root(), test_dir.path("link")).unwrap();
    let options = test_dir.options_at(test_dir.path("link"));
    assert_start_fails!(options, Error::InUse { dir } if dir == server.root());
}

#[test]
fn large_log_is_rotated_on_start() {
    let (test_dir, server) = TestDir::with_server();
    let log = server.log_file();
    drop(server);
    fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(11 * 1024 * 1024).unwrap();
    drop(test_dir.start());
    assert!(fs::metadata(&log).unwrap().len() < 1024 * 1024);
    assert_eq!(fs::metadata(test_dir.root().join("postgres.log.1")).unwrap().len(), 11 * 1024 * 1024);
}
