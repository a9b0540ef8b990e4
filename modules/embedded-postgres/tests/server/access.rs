//! Authentication, and isolation from network and environment.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use embedded_postgres::{Options, Server};
use nix::unistd::{User, geteuid};

use crate::support::{Helper, TestDir, process, psql, psql_as, require_root};

/// Returns a user that isn't permitted to connect.
fn stranger(server: u32) -> User {
    let is_stranger = |user: &User| user.uid.as_raw() != server && !user.uid.is_root();
    ["nobody", "daemon", "postgres"].iter().find_map(|name| User::from_name(name).unwrap().filter(is_stranger)).unwrap()
}

#[test]
fn other_os_users_cannot_connect() {
    require_root!("other_os_users_cannot_connect");
    let (_test_dir, server) = TestDir::with_server();
    let stranger = stranger(process(server.pid()).user);
    let error = psql_as(&server, Some(&stranger), "SELECT 1").unwrap_err();
    assert!(error.contains("Permission denied"), "{error}");

    // With permissive file modes, peer authentication still rejects the user.
    for (path, mode) in [("", 0o755), ("socket", 0o755), ("socket/.s.PGSQL.5432", 0o777)] {
        fs::set_permissions(server.root().join(path), Permissions::from_mode(mode)).unwrap();
    }
    let error = psql_as(&server, Some(&stranger), "SELECT 1").unwrap_err();
    assert!(error.contains("Peer authentication failed"), "{error}");
    let server_user = User::from_uid(process(server.pid()).user.into()).unwrap().unwrap();
    assert_eq!(psql_as(&server, Some(&server_user), "SELECT 1").unwrap(), "1");
}

#[test]
fn hba_allows_server_and_process_user_only() {
    let (_test_dir, server) = TestDir::with_server();
    let name = |uid: u32| User::from_uid(uid.into()).unwrap().unwrap().name;
    let mut expected = vec![name(process(server.pid()).user), name(geteuid().as_raw())];
    expected.dedup();
    let mapped = "SELECT string_agg(sys_name || '=' || pg_username, ' ') FROM pg_ident_file_mappings";
    let rules = "SELECT string_agg(concat_ws(' ', type, auth_method, options[1]), '; ') FROM pg_hba_file_rules";
    let expected: Vec<_> = expected.iter().map(|user| format!("{user}=postgres")).collect();
    assert_eq!(psql(&server, mapped), expected.join(" "));
    assert_eq!(psql(&server, rules), "local peer map=embedded");
}

#[test]
fn extra_roles_map_to_same_os_users() {
    let test_dir = TestDir::new();
    let roles = vec!["reporting".to_owned(), "a \"b\"".to_owned()];
    let server = Server::start(Options { extra_roles: roles, ..test_dir.options() }).unwrap();
    let mapped = "SELECT string_agg(DISTINCT pg_username, ' ' ORDER BY pg_username) FROM pg_ident_file_mappings";
    assert_eq!(psql(&server, mapped), r#"a "b" postgres reporting"#);
}

#[test]
fn nothing_listens_on_the_network() {
    let (_test_dir, server) = TestDir::with_server();
    assert_eq!(psql(&server, "SHOW listen_addresses"), "");
}

#[test]
fn timezone_and_locale_are_fixed() {
    let (_test_dir, server) = TestDir::with_server();
    let timezones = "SELECT current_setting('timezone') || ' ' || current_setting('log_timezone')";
    assert_eq!(psql(&server, timezones), "UTC UTC");
    assert_eq!(psql(&server, "SHOW server_encoding"), "UTF8");
    // The sort order is by code point, not by the locale of the machine.
    assert_eq!(psql(&server, "SELECT 'a' > 'B'"), "t");
}

#[test]
fn pg_environment_variables_are_ignored() {
    let test_dir = TestDir::new();
    let environment = [
        ("PGDATA", "/nowhere"),
        ("PGPORT", "1"),
        ("PGHOST", "/nowhere"),
        ("PGOPTIONS", "--nonsense"),
        ("PGTZ", "Asia/Tokyo"),
        ("LC_ALL", "de_DE.UTF-8"),
        ("TZ", "Asia/Tokyo"),
    ];
    let helper = Helper::spawn_with(&test_dir.root(), &environment).wait_until_ready();
    helper.kill();
    assert_eq!(psql(&test_dir.start(), "SHOW timezone"), "UTC");
}
