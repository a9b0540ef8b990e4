//! From start to stop.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::Duration;

use embedded_postgres::{Error, Server};
use nix::sys::signal::Signal;

use crate::support::{
    Helper, Place, all_gone, children, eventually, family, group, is_alive, parent, psql, signal, signal_all,
};

#[test]
fn a_committed_row_survives_a_restart() {
    let place = Place::new();
    let server = place.start();
    psql(&server, "CREATE TABLE t (n int); INSERT INTO t VALUES (42)");
    server.stop().unwrap();
    let server = place.start();
    assert_eq!(psql(&server, "SELECT n FROM t"), "42");
}

#[test]
fn the_database_is_new_until_it_is_settled() {
    let place = Place::new();
    let server = place.start();
    assert!(server.is_new());
    drop(server);
    let server = place.start();
    assert!(server.is_new(), "nobody has said that set-up is complete");
    server.settle().unwrap();
    assert!(!server.is_new());
    server.settle().unwrap();
    drop(server);
    assert!(!place.start().is_new());
}

#[test]
fn a_second_process_gets_a_clear_error_and_harms_nothing() {
    let place = Place::new();
    let server = place.start();
    let message = Helper::spawn(&place.root()).failed();
    assert!(message.contains("is in use by another process"), "{message}");
    assert_eq!(message.trim().lines().count(), 1);
    assert_eq!(psql(&server, "SELECT 1"), "1");
}

#[test]
fn of_many_starts_at_once_one_succeeds() {
    let place = Place::new();
    let started: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| Server::start(place.options()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let in_use = started.iter().filter(|result| matches!(result, Err(Error::InUse { .. }))).count();
    assert_eq!(in_use, 3, "{started:?}");
}

#[test]
fn stop_leaves_no_process_and_frees_the_folder() {
    let place = Place::new();
    let server = place.start();
    let processes = family(parent(server.pid()));
    assert!(processes.len() > 4, "shell, watcher, server and its helpers: {processes:?}");
    server.stop().unwrap();
    assert!(all_gone(&processes));
    drop(place.start());
}

#[test]
fn dropping_leaves_no_process_either() {
    let place = Place::new();
    let server = place.start();
    let processes = family(parent(server.pid()));
    drop(server);
    assert!(all_gone(&processes));
}

#[test]
fn the_server_ends_with_its_killed_parent() {
    let place = Place::new();
    let helper = Helper::spawn(&place.root()).ready();
    let processes = family(helper.child.id());
    assert!(processes.contains(&helper.server_pid()));
    helper.kill();
    eventually("every process has ended", || all_gone(&processes));
    assert!(!place.root().join("data/postmaster.pid").exists(), "it had time to shut down in order");
}

#[test]
fn the_server_ends_with_its_interrupted_parent() {
    let place = Place::new();
    let mut helper = Helper::spawn(&place.root()).ready();
    let processes = family(helper.child.id());
    signal(helper.child.id(), Signal::SIGINT);
    assert_eq!(helper.child.wait().unwrap().signal(), Some(Signal::SIGINT as i32));
    eventually("every process has ended", || all_gone(&processes));
}

#[test]
fn the_server_never_outlives_a_parent_killed_during_the_start() {
    let place = Place::new();
    drop(place.start());
    for _ in 0..10 {
        let helper = Helper::spawn(&place.root());
        eventually("the helper has started something", || family(helper.child.id()).len() > 1);
        let processes = family(helper.child.id());
        helper.kill();
        eventually("every process has ended", || all_gone(&processes));
    }
    assert_eq!(psql(&place.start(), "SELECT 1"), "1");
}

#[test]
fn the_helper_stops_when_its_input_ends() {
    let place = Place::new();
    let mut helper = Helper::spawn(&place.root()).ready();
    let processes = family(helper.child.id());
    drop(helper.child.stdin.take());
    assert!(helper.child.wait().unwrap().success());
    assert!(all_gone(&processes));
}

#[test]
fn the_server_outlives_the_thread_that_started_it() {
    let place = Place::new();
    let server = thread::scope(|scope| scope.spawn(|| place.start()).join().unwrap());
    assert_eq!(psql(&server, "SELECT 1"), "1");
}

#[test]
fn a_key_pressed_in_the_terminal_does_not_reach_the_server() {
    let place = Place::new();
    let server = place.start();
    assert_ne!(group(server.pid()), group(std::process::id()));
    assert_eq!(group(server.pid()), parent(server.pid()));
}

#[test]
fn nothing_is_left_of_a_server_that_dies() {
    let place = Place::new();
    let server = place.start();
    let processes = family(parent(server.pid()));
    signal(server.pid(), Signal::SIGKILL);
    // The shell itself stays in the table until it is awaited, but as a dead process.
    eventually("shell and watcher have ended", || all_gone(&processes));
    server.stop().unwrap();
    drop(place.start());
}

#[test]
fn stop_works_without_the_watcher() {
    let place = Place::new();
    let server = place.start();
    let processes = family(parent(server.pid()));
    for process in children(parent(server.pid())).into_iter().filter(|process| *process != server.pid()) {
        signal(process, Signal::SIGKILL);
    }
    server.stop().unwrap();
    assert!(all_gone(&processes));
}

#[test]
fn stop_works_without_the_shell() {
    let place = Place::new();
    let server = place.start();
    let pid = server.pid();
    let shell = parent(pid);
    let processes = family(shell);
    signal(shell, Signal::SIGKILL);
    eventually("the shell has ended", || !is_alive(shell));
    assert!(is_alive(pid));
    server.stop().unwrap();
    eventually("every process has ended", || all_gone(&processes));
}

#[test]
fn a_service_manager_that_signals_everybody_does_not_keep_it_from_stopping() {
    let place = Place::new();
    let server = place.start();
    let processes = family(parent(server.pid()));
    signal_all(&processes, Signal::SIGTERM);
    server.stop().unwrap();
    assert!(all_gone(&processes));
}

#[test]
fn a_server_that_refuses_to_start_is_explained_by_its_log() {
    let place = Place::new();
    let mut options = place.options();
    options.max_connections = 1;
    let error = Server::start(options).unwrap_err();
    assert!(matches!(&error, Error::Ended { .. }), "{error:?}");
    assert!(error.to_string().contains("superuser_reserved_connections"), "{error}");
    assert!(place.start().is_new(), "the folder is free again, and nobody has settled it");
}

#[test]
fn a_server_that_is_not_ready_in_time_is_stopped() {
    let place = Place::new();
    drop(place.start());
    // A standby that lets nobody in never calls itself ready. Any other server is, on a fast machine, in whatever little time
    // it is given.
    let standby = place.root().join("data/standby.signal");
    let closed = place.root().join("data/postgresql.auto.conf");
    fs::write(&standby, "").unwrap();
    fs::write(&closed, "hot_standby = off\n").unwrap();
    let mut options = place.options();
    options.start_timeout = Duration::ZERO;
    let error = Server::start(options).unwrap_err();
    assert!(matches!(error, Error::NotReady { .. }), "{error:?}");
    assert!(!place.root().join("data/postmaster.pid").exists());
    fs::remove_file(standby).unwrap();
    fs::write(&closed, "").unwrap();
    drop(place.start());
}

#[test]
fn commits_reach_the_disk_unless_that_is_waived() {
    let place = Place::new();
    let show = "SELECT concat_ws(' ', current_setting('fsync'), current_setting('synchronous_commit'),
        current_setting('full_page_writes'))";
    let mut options = place.options();
    options.durable = true;
    let server = Server::start(options).unwrap();
    assert_eq!(psql(&server, show), "on on on");
    drop(server);
    assert_eq!(psql(&place.start(), show), "off off off");
}
