//! Processes and files that killed runs leave behind.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use embedded_postgres::{Error, Options, Server};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use crate::support::{
    Helper, TestDir, assert_start_fails, children, is_alive, owner, parent, process_tree, psql, signal, signal_all,
};

/// Starts a server whose parent, shell and watcher are killed. Returns its process id.
fn spawn_orphan(root: &Path) -> u32 {
    let helper = Helper::spawn(root).wait_until_ready();
    let orphan = helper.server_pid();
    let shell = parent(orphan);
    // The shell and the watcher would otherwise stop the server together with its parent.
    for process in children(shell).into_iter().filter(|process| *process != orphan).chain([shell]) {
        signal(process, Signal::SIGKILL);
    }
    helper.kill();
    orphan
}

/// Starts an idle process that isn't a server. It exits when its standard input is closed.
fn spawn_unrelated(uid: u32, argument: &Path) -> Child {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "read -r line", "unrelated"]).arg(argument).current_dir("/").stdin(Stdio::piped());
    if geteuid().is_root() {
        command.uid(uid);
    }
    command.spawn().unwrap()
}

#[test]
fn orphan_is_stopped_and_its_data_is_kept() {
    let (test_dir, server) = TestDir::with_server();
    psql(&server, "CREATE TABLE t (n int)");
    drop(server);
    let orphan = spawn_orphan(&test_dir.root());
    assert!(is_alive(orphan));

    let server = test_dir.start();
    assert!(!is_alive(orphan));
    assert_ne!(server.pid(), orphan);
    assert_eq!(psql(&server, "INSERT INTO t VALUES (1); SELECT count(*) FROM t"), "1");
}

#[test]
fn start_waits_for_dying_server() {
    let test_dir = TestDir::new();
    for round in 0..5 {
        let helper = Helper::spawn(&test_dir.root()).wait_until_ready();
        helper.kill();
        let server = test_dir.start();
        assert_eq!(psql(&server, "SELECT 1"), "1", "round {round}");
    }
}

#[test]
fn start_recovers_after_sigkill() {
    let test_dir = TestDir::new();
    let server = Server::start(Options { durable: true, ..test_dir.options() }).unwrap();
    psql(&server, "CREATE TABLE t AS SELECT 42 AS n");
    let shell = parent(server.pid());
    signal(server.pid(), Signal::SIGKILL);
    drop(server);
    assert!(!is_alive(shell));
    let server = test_dir.start();
    assert_eq!(psql(&server, "SELECT n FROM t"), "42");
}

#[test]
fn orphan_of_moved_folder_is_stopped() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let test_dir = TestDir::new();
    let orphan = spawn_orphan(&test_dir.path("before"));
    fs::rename(test_dir.path("before"), test_dir.root()).unwrap();
    let server = test_dir.start();
    assert!(!is_alive(orphan));
    assert_eq!(psql(&server, "SELECT 1"), "1");
}

#[test]
fn reused_pid_is_not_signalled() {
    let test_dir = TestDir::with_data();
    let data = test_dir.root().join("data");
    // The process has the server's user and names the data directory. PostgreSQL itself would not start.
    let mut unrelated = spawn_unrelated(owner(&data), &data);
    let pid = unrelated.id();
    let stale = format!("{pid}\n{}\n1700000000\n5432\n\n\n\nready\n", data.display());
    test_dir.write("data/postmaster.pid", &stale);
    test_dir.write("socket/.s.PGSQL.5432.lock", &format!("{pid}\n"));

    let server = test_dir.start();
    assert_eq!(psql(&server, "SELECT 1"), "1");
    assert_ne!(server.pid(), pid);
    drop(server);
    assert!(unrelated.try_wait().unwrap().is_none(), "the unrelated process was signalled");
}

#[test]
fn stale_pid_file_is_ignored() {
    let test_dir = TestDir::with_data();
    let data = test_dir.root().join("data");
    let stale = format!("999999999\n{}\n1700000000\n5432\n\n\n\nready\n", data.display());
    test_dir.write("data/postmaster.pid", &stale);
    assert_eq!(psql(&test_dir.start(), "SELECT 1"), "1");
}

#[test]
fn interrupted_initdb_is_retried() {
    let test_dir = TestDir::new();
    let marker = test_dir.root().join("initializing");
    let helper = Helper::spawn(&test_dir.root()).wait_for_initdb();
    let processes = process_tree(helper.child.id());
    signal_all(&processes, Signal::SIGKILL);
    drop(helper);
    let server = test_dir.start();
    assert!(server.needs_setup());
    assert_eq!(psql(&server, "SELECT 1"), "1");
    assert!(!marker.exists());
    assert!(!test_dir.root().join("discarded").exists());
}

#[test]
fn orphaned_initdb_is_stopped() {
    let test_dir = TestDir::new();
    let marker = test_dir.root().join("initializing");
    let helper = Helper::spawn(&test_dir.root()).wait_for_initdb();
    let initdb: u32 = fs::read_to_string(&marker).unwrap().trim().parse().unwrap();
    helper.kill();
    let server = test_dir.start();
    assert!(!is_alive(initdb));
    assert!(server.needs_setup());
    assert_eq!(psql(&server, "SELECT 1"), "1");
}

#[test]
fn partial_data_dir_is_wiped_only_if_marked() {
    let test_dir = TestDir::with_data();
    let data = test_dir.root().join("data");
    fs::remove_file(data.join("PG_VERSION")).unwrap();
    assert_start_fails!(test_dir.options(), Error::ForeignDirectory { dir } if *dir == data);
    assert!(data.join("pg_wal").exists());

    test_dir.write("initializing", "");
    let server = test_dir.start();
    assert!(server.needs_setup());
    assert_eq!(psql(&server, "SELECT 1"), "1");
}
