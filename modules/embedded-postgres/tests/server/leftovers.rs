//! What killed runs leave.

use std::fs;

use embedded_postgres::{Error, Server};
use nix::sys::signal::Signal;

use crate::support::{
    Bystander, Helper, Place, children, eventually, family, is_alive, owner, parent, psql, signal, signal_all,
};

#[test]
fn an_orphan_is_stopped_and_its_data_is_kept() {
    let place = Place::new();
    let server = place.start();
    psql(&server, "CREATE TABLE t (n int)");
    drop(server);
    let helper = Helper::spawn(&place.root()).ready();
    let orphan = helper.server_pid();
    let shell = parent(orphan);
    // Everything that would end the server with its parent, so that it is left alone.
    for process in children(shell).into_iter().filter(|process| *process != orphan).chain([shell]) {
        signal(process, Signal::SIGKILL);
    }
    helper.kill();
    assert!(is_alive(orphan));

    let server = place.start();
    assert!(!is_alive(orphan));
    assert_ne!(server.pid(), orphan);
    assert_eq!(psql(&server, "INSERT INTO t VALUES (1); SELECT count(*) FROM t"), "1");
}

#[test]
fn a_start_right_after_a_kill_waits_for_what_is_ending() {
    let place = Place::new();
    for round in 0..5 {
        let helper = Helper::spawn(&place.root()).ready();
        helper.kill();
        let server = place.start();
        assert_eq!(psql(&server, "SELECT 1"), "1", "round {round}");
    }
}

#[test]
fn a_start_right_after_the_server_was_killed_recovers() {
    let place = Place::new();
    let mut options = place.options();
    options.durable = true;
    let server = Server::start(options).unwrap();
    psql(&server, "CREATE TABLE t AS SELECT 42 AS n");
    let shell = parent(server.pid());
    signal(server.pid(), Signal::SIGKILL);
    drop(server);
    assert!(!is_alive(shell));
    let server = place.start();
    assert_eq!(psql(&server, "SELECT n FROM t"), "42");
}

#[test]
fn the_orphan_of_a_folder_that_was_moved_is_stopped_too() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let place = Place::new();
    let helper = Helper::spawn(&place.path("before")).ready();
    let orphan = helper.server_pid();
    let shell = parent(orphan);
    for process in children(shell).into_iter().filter(|process| *process != orphan).chain([shell]) {
        signal(process, Signal::SIGKILL);
    }
    helper.kill();
    fs::rename(place.path("before"), place.root()).unwrap();
    let server = place.start();
    assert!(!is_alive(orphan));
    assert_eq!(psql(&server, "SELECT 1"), "1");
}

#[test]
fn a_stale_process_id_does_not_harm_the_process_that_has_it_now() {
    let place = Place::new();
    drop(place.start());
    let data = place.root().join("data");
    // Of the server's own user, on which PostgreSQL itself would give up, and with the data directory in its arguments.
    let mut bystander = Bystander::spawn(owner(&data), &data);
    let pid = bystander.0.id();
    let stale = format!("{pid}\n{}\n1700000000\n5432\n\n\n\nready\n", data.display());
    place.write("data/postmaster.pid", &stale);
    place.write("socket/.s.PGSQL.5432.lock", &format!("{pid}\n"));

    let server = place.start();
    assert_eq!(psql(&server, "SELECT 1"), "1");
    assert_ne!(server.pid(), pid);
    drop(server);
    assert!(bystander.0.try_wait().unwrap().is_none(), "the bystander was hit");
}

#[test]
fn a_stale_process_id_of_nobody_is_no_obstacle() {
    let place = Place::new();
    drop(place.start());
    let data = place.root().join("data");
    let stale = format!("999999999\n{}\n1700000000\n5432\n\n\n\nready\n", data.display());
    place.write("data/postmaster.pid", &stale);
    assert_eq!(psql(&place.start(), "SELECT 1"), "1");
}

#[test]
fn a_killed_initdb_is_redone() {
    let place = Place::new();
    let mark = place.root().join("initializing");
    let helper = Helper::spawn(&place.root());
    eventually("initdb runs", || fs::read_to_string(&mark).is_ok_and(|mark| mark.ends_with('\n')));
    let processes = family(helper.child.id());
    signal_all(&processes, Signal::SIGKILL);
    drop(helper);
    let server = place.start();
    assert!(server.is_new());
    assert_eq!(psql(&server, "SELECT 1"), "1");
    assert!(!mark.exists());
    assert!(!place.root().join("discarded").exists());
}

#[test]
fn an_initdb_that_outlived_its_parent_is_ended_first() {
    let place = Place::new();
    let mark = place.root().join("initializing");
    let helper = Helper::spawn(&place.root());
    eventually("initdb runs", || fs::read_to_string(&mark).is_ok_and(|mark| mark.ends_with('\n')));
    let initdb: u32 = fs::read_to_string(&mark).unwrap().trim().parse().unwrap();
    helper.kill();
    let server = place.start();
    assert!(!is_alive(initdb));
    assert!(server.is_new());
    assert_eq!(psql(&server, "SELECT 1"), "1");
}

#[test]
fn half_a_data_directory_is_wiped_only_with_the_mark_on_it() {
    let place = Place::new();
    drop(place.start());
    let data = place.root().join("data");
    fs::remove_file(data.join("PG_VERSION")).unwrap();
    let refused = Server::start(place.options());
    assert!(matches!(&refused, Err(Error::NotOurs { folder }) if *folder == data), "{refused:?}");
    assert!(data.join("pg_wal").exists());

    place.write("initializing", "");
    let server = place.start();
    assert!(server.is_new());
    assert_eq!(psql(&server, "SELECT 1"), "1");
}
