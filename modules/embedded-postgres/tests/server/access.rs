//! Who gets in, and from where.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use embedded_postgres::{Options, Server};
use nix::unistd::{User, geteuid};

use crate::support::{Helper, Place, is_root, psql, psql_as, user_of};

/// Neither of the users that are let in.
fn stranger(server: u32) -> User {
    let is_stranger = |user: &User| user.uid.as_raw() != server && !user.uid.is_root();
    ["nobody", "daemon", "postgres"].iter().find_map(|name| User::from_name(name).unwrap().filter(is_stranger)).unwrap()
}

#[test]
fn other_local_users_are_refused() {
    if !is_root("other_local_users_are_refused") {
        return;
    }
    let place = Place::new();
    let server = place.start();
    let stranger = stranger(user_of(server.pid()));
    let refused = psql_as(&server, Some(&stranger), "SELECT 1").unwrap_err();
    assert!(refused.contains("Permission denied"), "{refused}");

    // With every door of the file system open, there is still the server's own.
    for (path, mode) in [("", 0o755), ("socket", 0o755), ("socket/.s.PGSQL.5432", 0o777)] {
        fs::set_permissions(server.root().join(path), Permissions::from_mode(mode)).unwrap();
    }
    let refused = psql_as(&server, Some(&stranger), "SELECT 1").unwrap_err();
    assert!(refused.contains("Peer authentication failed"), "{refused}");
    let own = User::from_uid(user_of(server.pid()).into()).unwrap().unwrap();
    assert_eq!(psql_as(&server, Some(&own), "SELECT 1").unwrap(), "1");
}

#[test]
fn the_users_of_server_and_process_are_let_in_by_name_and_nobody_else() {
    let place = Place::new();
    let server = place.start();
    let name = |uid: u32| User::from_uid(uid.into()).unwrap().unwrap().name;
    let mut expected = vec![name(user_of(server.pid())), name(geteuid().as_raw())];
    expected.dedup();
    let mapped = "SELECT string_agg(sys_name || '=' || pg_username, ' ') FROM pg_ident_file_mappings";
    let rules = "SELECT string_agg(concat_ws(' ', type, auth_method, options[1]), '; ') FROM pg_hba_file_rules";
    let expected: Vec<_> = expected.iter().map(|user| format!("{user}=postgres")).collect();
    assert_eq!(psql(&server, mapped), expected.join(" "));
    assert_eq!(psql(&server, rules), "local peer map=embedded");
}

#[test]
fn further_roles_are_open_to_the_same_users() {
    let place = Place::new();
    let roles = vec!["reporting".to_owned(), "a \"b\"".to_owned()];
    let server = Server::start(Options { further_roles: roles, ..place.options() }).unwrap();
    let mapped = "SELECT string_agg(DISTINCT pg_username, ' ' ORDER BY pg_username) FROM pg_ident_file_mappings";
    assert_eq!(psql(&server, mapped), r#"a "b" postgres reporting"#);
}

#[test]
fn nothing_listens_on_the_network() {
    let place = Place::new();
    let server = place.start();
    assert_eq!(psql(&server, "SHOW listen_addresses"), "");
}

#[test]
fn times_and_text_do_not_depend_on_the_machine() {
    let place = Place::new();
    let server = place.start();
    assert_eq!(
        psql(&server, "SELECT current_setting('timezone') || ' ' || current_setting('log_timezone')"),
        "UTC UTC"
    );
    assert_eq!(psql(&server, "SHOW server_encoding"), "UTF8");
    assert_eq!(psql(&server, "SELECT 'a' > 'B'"), "t", "by code point, not by the language of the machine");
}

#[test]
fn the_variables_of_the_surroundings_are_not_heeded() {
    let place = Place::new();
    let environment = [
        ("PGDATA", "/nowhere"),
        ("PGPORT", "1"),
        ("PGHOST", "/nowhere"),
        ("PGOPTIONS", "--nonsense"),
        ("PGTZ", "Asia/Tokyo"),
        ("LC_ALL", "de_DE.UTF-8"),
        ("TZ", "Asia/Tokyo"),
    ];
    let helper = Helper::spawn_with(&place.root(), &environment).ready();
    helper.kill();
    assert_eq!(psql(&place.start(), "SHOW timezone"), "UTC");
}
