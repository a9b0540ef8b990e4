//! Inspection of a directory without side effects.

use std::fs;

use embedded_postgres::{Error, Inspection, ServerState};

use crate::support::{Helper, TestDir, eventually, psql};

fn inspect(test_dir: &TestDir) -> Inspection {
    Inspection::of(test_dir.options()).unwrap()
}

#[test]
fn inspect_creates_nothing() {
    let test_dir = TestDir::new();
    let options = test_dir.options_at(test_dir.path("not/yet/there"));
    let inspection = Inspection::of(options.clone()).unwrap();
    assert!(matches!(inspection.state(), ServerState::Absent));
    assert_eq!((inspection.root(), inspection.major(), inspection.size().unwrap()), (&*options.root, None, 0));
    assert!(inspection.log_lines(3).unwrap().is_empty());
    assert!(inspection.installation().unwrap().major() >= 15);
    assert!(!test_dir.path("not").exists());
}

#[test]
fn inspect_stopped_reports_version_and_log() {
    let (test_dir, server) = TestDir::with_server();
    let (major, bin_dir) = (server.major(), server.bin_dir().to_owned());
    psql(&server, "CHECKPOINT");
    drop(server);
    let inspection = inspect(&test_dir);
    assert!(matches!(inspection.state(), ServerState::Stopped { major: written_by } if *written_by == major));
    assert_eq!(inspection.installation().unwrap().bin_dir(), bin_dir);
    assert!(inspection.size().unwrap() > 10_000_000);
    let lines = inspection.log_lines(2).unwrap();
    assert_eq!(lines.len(), 2);
    assert!(lines[1].contains("database system is shut down"), "{lines:?}");
    assert!(!test_dir.root().join("data/postmaster.pid").exists());
}

#[test]
fn inspect_running_reports_owner_and_connects() {
    let test_dir = TestDir::new();
    let helper = Helper::spawn(&test_dir.root()).wait_until_ready();
    let inspection = inspect(&test_dir);
    let ServerState::Running(running) = inspection.state() else { panic!("no server is running: {inspection:?}") };
    assert_eq!(running.pid, helper.server_pid());
    let owner = running.owner.as_ref().unwrap();
    assert_eq!(owner.pid, helper.child.id());
    assert!(owner.command.starts_with("embedded-postgres /"), "{}", owner.command);
    let mut psql = running.connection.command("psql", "postgres").unwrap();
    let output = psql.args(["-XAtc", "SELECT current_user"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "postgres");
    // The owner is still running.
    assert_eq!(helper.server_pid(), running.pid);
}

#[test]
fn inspect_during_initdb_is_busy() {
    let test_dir = TestDir::new();
    let helper = Helper::spawn(&test_dir.root()).wait_for_initdb();
    let mut busy = false;
    // The marker is written by a shell, which takes a moment to `exec` initdb.
    eventually("a server is running", || {
        busy |= matches!(inspect(&test_dir).state(), ServerState::Busy);
        matches!(inspect(&test_dir).state(), ServerState::Running(_))
    });
    assert!(busy);
    drop(helper);
}

#[test]
fn inspect_does_not_block_start() {
    let test_dir = TestDir::with_data();
    std::thread::scope(|scope| {
        let server = scope.spawn(|| test_dir.start());
        while !server.is_finished() {
            let _ = inspect(&test_dir);
        }
        assert_eq!(psql(&server.join().unwrap(), "SELECT 1"), "1");
    });
}

#[test]
fn inspect_ignores_stale_pid() {
    let test_dir = TestDir::with_data();
    test_dir.write("data/postmaster.pid", &format!("{}\n/\n1\n5432\n\n\n\nready\n", std::process::id()));
    assert!(matches!(inspect(&test_dir).state(), ServerState::Stopped { .. }));
}

#[test]
fn inspect_recognizes_foreign_folder() {
    let test_dir = TestDir::new();
    fs::create_dir(test_dir.root()).unwrap();
    fs::write(test_dir.root().join("unrelated.txt"), "Dear").unwrap();
    assert!(matches!(Inspection::of(test_dir.options()), Err(Error::ForeignDirectory { .. })));
}
