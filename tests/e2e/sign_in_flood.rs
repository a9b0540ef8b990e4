//! Many sign-ins at once. Hashing a password takes 19 MiB and some 30 ms of CPU time.

use std::{fs, sync::mpsc, thread};

use rstest::rstest;

use crate::{
    client::{TestApp, app},
    process::{RunningServer, seeded_work_dir},
};

/// The maximum resident memory of a process until now in MiB, see `proc(5)`.
#[cfg(target_os = "linux")]
fn peak_resident_mib(pid: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() / 1024
}

#[cfg(target_os = "linux")]
#[test]
fn sign_in_flood_takes_bounded_memory() {
    let work_dir = seeded_work_dir();
    let server = RunningServer::start(work_dir.path(), &[]);
    let pid = server.child.id();
    assert_eq!(server.client().login("alice@example.com", "tenantry-demo").status, 200);
    let before = peak_resident_mib(pid);
    thread::scope(|scope| {
        for connection in 0..16 {
            let client = server.client();
            scope.spawn(move || {
                for number in 0..10 {
                    let response = client.login(&format!("user{number}-{connection}@example.com"), "wrong password");
                    assert_eq!(response.outcome(), "401 invalid-credentials");
                }
            });
        }
    });
    let growth = peak_resident_mib(pid) - before;
    // One slot has its memory already. 64 MiB are for everything else: threads, connections, statements.
    let slots = thread::available_parallelism().unwrap().get().min(4);
    assert!(growth < slots * 19 + 64, "the memory grew from {before} by {growth} MiB with {slots} slots");
}

#[rstest]
fn full_sign_in_queue_returns_503(app: TestApp) {
    // More than the queue has places: 33 for each of at most 4 slots.
    const SIGN_INS: usize = 150;
    let mut database = app.database();
    database.execute("BEGIN; LOCK TABLE auth_credentials");
    let (answered, responses) = mpsc::channel();
    for _ in 0..SIGN_INS {
        let (client, answered) = (app.anonymous(), answered.clone());
        thread::spawn(move || answered.send(client.login("alice@example.com", "wrong password")));
    }
    drop(answered);
    // While the others wait for the locked table, one beyond the queue is answered.
    let overloaded = responses.recv().unwrap();
    assert_eq!(overloaded.header("retry-after"), Some("1"), "{overloaded}");
    assert_eq!(overloaded.outcome(), "503 overloaded");
    database.execute("ROLLBACK");
    assert_eq!(responses.iter().count(), SIGN_INS - 1);
    assert_eq!(app.anonymous().login("alice@example.com", "tenantry-demo").status, 200);
}
