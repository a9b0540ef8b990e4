//! The memory of the program while many clients sign in. Hashing one password takes 19 MiB.
#![cfg(target_os = "linux")]

use std::{collections::BTreeSet, fs, sync::mpsc, thread};

use crate::process::{RunningServer, connect_embedded, seeded_work_dir, start_embedded, tenantry_command_in_shell};

/// Each sends one sign-in. More than the queue has places: 33 for each of at most 4 slots.
const CLIENTS: usize = 200;
/// The limit of writable private memory (`RLIMIT_DATA`) in KiB. Hashing 200 passwords at once takes 3,800 MiB.
const DATA_LIMIT_KIB: usize = 512 * 1024;

/// The maximum resident memory of a process until now in MiB, see `proc(5)`.
fn peak_resident_mib(pid: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() / 1024
}

#[test]
fn sign_in_flood_takes_bounded_memory() {
    let work_dir = seeded_work_dir();
    // The program doesn't start behind a proxy while the demo accounts are active.
    start_embedded(work_dir.path()).sql("UPDATE users SET deactivated_at = now()");
    let settings = [("TRUSTED_PROXIES", "127.0.0.1")];
    let limit = format!("ulimit -d {DATA_LIMIT_KIB}");
    let server = RunningServer::start_command(&mut tenantry_command_in_shell(work_dir.path(), &settings, &limit));
    let pid = server.child.id();
    assert_eq!(server.client().login("alice@example.com", "wrong password").status, 401);
    let before = peak_resident_mib(pid);
    // Sign-ins wait until the queue is full.
    let mut database = connect_embedded(work_dir.path());
    database.execute("BEGIN; LOCK TABLE auth_credentials");
    let (answered, responses) = mpsc::channel();
    for number in 0..CLIENTS {
        let client = server.client().with_header("X-Forwarded-For", &format!("203.0.113.{number}"));
        let answered = answered.clone();
        thread::spawn(move || answered.send(client.login("alice@example.com", "wrong password").status));
    }
    drop(answered);
    assert_eq!(responses.recv(), Ok(503));
    database.execute("ROLLBACK");
    let statuses: BTreeSet<_> = responses.iter().collect();
    assert_eq!(Vec::from_iter(statuses), [401, 503]);
    let growth = peak_resident_mib(pid) - before;
    // One slot has its memory already. 64 MiB are for everything else: threads, connections, statements.
    let slots = thread::available_parallelism().unwrap().get().min(4);
    assert!(growth < slots * 19 + 64, "the memory grew from {before} by {growth} MiB with {slots} slots");
    assert_eq!(server.client().login("alice@example.com", "wrong password").status, 401);
}
