//! Start, stop, and the tie to the parent process.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::Duration;

use embedded_postgres::{Error, Options, Server};
use nix::sys::signal::Signal;

use crate::support::{
    Helper, TestDir, all_exited, assert_start_fails, children, eventually, is_alive, parent, process, process_tree,
    psql, signal, signal_all,
};

#[test]
fn committed_row_survives_a_restart() {
    let (test_dir, server) = TestDir::with_server();
    psql(&server, "CREATE TABLE t (n int); INSERT INTO t VALUES (42)");
    server.stop().unwrap();
    let server = test_dir.start();
    assert_eq!(psql(&server, "SELECT n FROM t"), "42");
}

#[test]
fn needs_setup_until_marked_initialized() {
    let (test_dir, server) = TestDir::with_server();
    assert!(server.needs_setup());
    drop(server);
    let server = test_dir.start();
    assert!(server.needs_setup(), "setup was not marked as complete");
    server.mark_initialized().unwrap();
    assert!(!server.needs_setup());
    server.mark_initialized().unwrap();
    drop(server);
    assert!(!test_dir.start().needs_setup());
}

#[test]
fn second_start_fails_with_lock_error() {
    let (test_dir, server) = TestDir::with_server();
    let message = Helper::spawn(&test_dir.root()).expect_failure();
    assert!(message.contains("is in use by another process"), "{message}");
    assert_eq!(message.trim().lines().count(), 1);
    assert_eq!(psql(&server, "SELECT 1"), "1");
}

#[test]
fn concurrent_starts_have_one_winner() {
    let test_dir = TestDir::new();
    let started: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| Server::start(test_dir.options()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let in_use = started.iter().filter(|result| matches!(result, Err(Error::InUse { .. }))).count();
    assert_eq!(in_use, 3, "{started:?}");
}

#[test]
fn stop_leaves_no_process_and_unlocks_directory() {
    let (test_dir, server) = TestDir::with_server();
    let processes = process_tree(parent(server.pid()));
    assert!(processes.len() > 4, "shell, watcher, server and its helpers: {processes:?}");
    server.stop().unwrap();
    assert!(all_exited(&processes));
    drop(test_dir.start());
}

#[test]
fn drop_stops_server() {
    let (_test_dir, server) = TestDir::with_server();
    let processes = process_tree(parent(server.pid()));
    drop(server);
    assert!(all_exited(&processes));
}

#[test]
fn server_dies_with_sigkilled_parent() {
    let test_dir = TestDir::new();
    let helper = Helper::spawn(&test_dir.root()).wait_until_ready();
    let processes = process_tree(helper.child.id());
    assert!(processes.contains(&helper.server_pid()));
    helper.kill();
    eventually("every process has ended", || all_exited(&processes));
    assert!(!test_dir.root().join("data/postmaster.pid").exists(), "the server should have shut down cleanly");
}

#[test]
fn server_dies_with_interrupted_parent() {
    let test_dir = TestDir::new();
    let mut helper = Helper::spawn(&test_dir.root()).wait_until_ready();
    let processes = process_tree(helper.child.id());
    signal(helper.child.id(), Signal::SIGINT);
    assert_eq!(helper.child.wait().unwrap().signal(), Some(Signal::SIGINT as i32));
    eventually("every process has ended", || all_exited(&processes));
}

#[test]
fn parent_killed_during_start_leaves_no_server() {
    let test_dir = TestDir::with_data();
    for _ in 0..10 {
        let helper = Helper::spawn(&test_dir.root());
        eventually("the helper has started something", || process_tree(helper.child.id()).len() > 1);
        let processes = process_tree(helper.child.id());
        helper.kill();
        eventually("every process has ended", || all_exited(&processes));
    }
    assert_eq!(psql(&test_dir.start(), "SELECT 1"), "1");
}

#[test]
fn watcher_exits_on_stdin_eof() {
    let test_dir = TestDir::new();
    let mut helper = Helper::spawn(&test_dir.root()).wait_until_ready();
    let processes = process_tree(helper.child.id());
    drop(helper.child.stdin.take());
    assert!(helper.child.wait().unwrap().success());
    assert!(all_exited(&processes));
}

#[test]
fn server_survives_starting_thread() {
    let test_dir = TestDir::new();
    let server = thread::scope(|scope| scope.spawn(|| test_dir.start()).join().unwrap());
    assert_eq!(psql(&server, "SELECT 1"), "1");
}

#[test]
fn terminal_signals_do_not_reach_server() {
    let (_test_dir, server) = TestDir::with_server();
    assert_ne!(process(server.pid()).group, process(std::process::id()).group);
    assert_eq!(process(server.pid()).group, parent(server.pid()));
}

#[test]
fn crashed_server_is_cleaned_up() {
    let (test_dir, server) = TestDir::with_server();
    let processes = process_tree(parent(server.pid()));
    signal(server.pid(), Signal::SIGKILL);
    // The shell remains a zombie until it is waited for.
    eventually("shell and watcher have ended", || all_exited(&processes));
    server.stop().unwrap();
    drop(test_dir.start());
}

#[test]
fn stop_works_without_the_watcher() {
    let (_test_dir, server) = TestDir::with_server();
    let processes = process_tree(parent(server.pid()));
    for process in children(parent(server.pid())).into_iter().filter(|process| *process != server.pid()) {
        signal(process, Signal::SIGKILL);
    }
    server.stop().unwrap();
    assert!(all_exited(&processes));
}

#[test]
fn stop_works_without_the_shell() {
    let (_test_dir, server) = TestDir::with_server();
    let pid = server.pid();
    let shell = parent(pid);
    let processes = process_tree(shell);
    signal(shell, Signal::SIGKILL);
    eventually("the shell has ended", || !is_alive(shell));
    assert!(is_alive(pid));
    server.stop().unwrap();
    eventually("every process has ended", || all_exited(&processes));
}

#[test]
fn stop_works_when_process_group_is_signalled() {
    let (_test_dir, server) = TestDir::with_server();
    let processes = process_tree(parent(server.pid()));
    signal_all(&processes, Signal::SIGTERM);
    server.stop().unwrap();
    assert!(all_exited(&processes));
}

#[test]
fn start_failure_includes_log_tail() {
    let test_dir = TestDir::new();
    let options = Options { max_connections: 1, ..test_dir.options() };
    let message = assert_start_fails!(options, Error::ExitedEarly { .. });
    assert!(message.contains("superuser_reserved_connections"), "{message}");
    assert!(test_dir.start().needs_setup(), "the directory is unlocked and setup is still pending");
}

#[test]
fn start_timeout_stops_server() {
    let test_dir = TestDir::with_data();
    // A standby without hot standby never becomes ready. On a fast machine, any other server could be ready in time.
    let standby = test_dir.root().join("data/standby.signal");
    let closed = test_dir.root().join("data/postgresql.auto.conf");
    fs::write(&standby, "").unwrap();
    fs::write(&closed, "hot_standby = off\n").unwrap();
    let options = Options { start_timeout: Duration::ZERO, ..test_dir.options() };
    assert_start_fails!(options, Error::StartTimeout { .. });
    assert!(!test_dir.root().join("data/postmaster.pid").exists());
    fs::remove_file(standby).unwrap();
    fs::write(&closed, "").unwrap();
    drop(test_dir.start());
}

#[test]
fn fsync_is_on_by_default() {
    let test_dir = TestDir::new();
    let show = "SELECT concat_ws(' ', current_setting('fsync'), current_setting('synchronous_commit'),
        current_setting('full_page_writes'))";
    let server = Server::start(Options { durable: true, ..test_dir.options() }).unwrap();
    assert_eq!(psql(&server, show), "on on on");
    drop(server);
    assert_eq!(psql(&test_dir.start(), show), "off off off");
}
