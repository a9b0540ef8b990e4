//! The memory of the program while many clients sign in. Hashing one password takes 19 MiB.
#![cfg(target_os = "linux")]

use std::{fs, thread};

use crate::process::{RunningServer, seeded_work_dir};

/// The maximum resident memory of a process until now in MiB, see `proc(5)`.
fn peak_resident_mib(pid: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() / 1024
}

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
