//! The program while its database hangs, is locked, or was killed.

use std::{
    fs,
    io::Write,
    net::TcpStream,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use rstest::rstest;
use serde_json::json;

use crate::{
    client::{Client, Response, TestApp, app},
    process::{RunningServer, connect_embedded, seeded_work_dir, wait_until},
};

/// Far more than any deadline of the program.
const MAX_RESPONSE_TIME: Duration = Duration::from_secs(30);

/// Sends a request and checks that its answer is a 503 that arrives in time.
fn assert_unavailable(send: impl FnOnce() -> Response) {
    let started = Instant::now();
    let response = send();
    assert_eq!((response.status, response.header("retry-after")), (503, Some("2")), "{}", response.body);
    assert!(started.elapsed() < MAX_RESPONSE_TIME);
}

#[rstest]
fn locked_tenant_blocks_only_its_writes(app: TestApp) {
    let alice = app.alice();
    let mut stuck = app.database();
    stuck.execute("BEGIN; SELECT FROM tenants WHERE slug = 'acme' FOR UPDATE");
    let create_role = |tenant: &str, name: String| alice.in_tenant(tenant).post("/v1/roles", json!({"name": name}));
    std::thread::scope(|scope| {
        // More than the pool has connections.
        for number in 0..8 {
            scope.spawn(move || assert_unavailable(|| create_role("acme", format!("role {number}"))));
        }
        for number in 0..5 {
            assert_eq!(create_role("globex", format!("role {number}")).status, 201);
            assert_eq!(app.anonymous().get("/health/ready").status, 200);
            assert_eq!(alice.in_tenant("acme").get("/v1/members").status, 200);
        }
    });
    stuck.execute("ROLLBACK");
    assert_eq!(create_role("acme", "auditor".to_owned()).status, 201);
}

#[rstest]
fn closed_connection_drops_its_request(app: TestApp) {
    let alice = app.alice().in_tenant("acme");
    let token = app.access_token("alice@example.com");
    let (mut session, mut observer) = (app.database(), app.database());
    session.execute("BEGIN; SELECT FROM tenants WHERE slug = 'acme' FOR UPDATE");
    let mut stream = TcpStream::connect(app.addr).unwrap();
    let body = json!({"name": "dropped"}).to_string();
    let head = format!("Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {}", body.len());
    let head = format!("{head}\r\nX-Tenant-Id: acme\r\nAuthorization: Bearer {token}");
    stream.write_all(format!("POST /v1/roles HTTP/1.1\r\n{head}\r\n\r\n{body}").as_bytes()).unwrap();
    wait_until("a request that waits for the lock", || observer.count_lock_waiters() > 0);
    drop(stream);
    // Time for the server to notice it.
    std::thread::sleep(Duration::from_secs(1));
    session.execute("ROLLBACK");
    // Waits for the dropped change, if it still holds the lock.
    assert_eq!(alice.post("/v1/roles", json!({"name": "auditor"})).status, 201);
    let roles = alice.get("/v1/roles").body;
    assert!(!roles.contains("dropped"), "{roles}");
}

/// Process id of the embedded server of a running program.
fn postmaster(work_dir: &Path) -> u32 {
    let file = fs::read_to_string(work_dir.join("data/postgres/data/postmaster.pid")).unwrap();
    file.lines().next().unwrap().parse().unwrap()
}

fn kill(signal: &str, pids: &[u32]) {
    // A process may have exited.
    Command::new("kill").arg(signal).args(pids.iter().map(ToString::to_string)).status().unwrap();
}

/// Stops all processes of a server with SIGSTOP, until dropped.
struct Stopped(Vec<u32>);

impl Stopped {
    /// The postmaster first, so that it starts no processes meanwhile.
    fn new(postmaster: u32) -> Self {
        kill("-STOP", &[postmaster]);
        let children = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children")).unwrap();
        let children: Vec<u32> = children.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
        kill("-STOP", &children);
        Self([vec![postmaster], children].concat())
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        kill("-CONT", &self.0);
    }
}

fn sign_in(server: &RunningServer) -> Client {
    server.client().sign_in("alice@example.com", seeds::PASSWORD).in_tenant("acme")
}

#[cfg(target_os = "linux")]
#[test]
fn stopped_database_is_503_until_it_continues() {
    let work_dir = seeded_work_dir();
    let server = RunningServer::start(work_dir.path(), &[]);
    let alice = sign_in(&server);
    assert_eq!(alice.get("/v1/members").status, 200);
    let stopped = Stopped::new(postmaster(work_dir.path()));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert_unavailable(|| server.client().get("/health/ready")));
            scope.spawn(|| assert_unavailable(|| alice.get("/v1/members")));
            scope.spawn(|| assert_unavailable(|| alice.post("/v1/roles", json!({"name": "auditor"}))));
        }
    });
    assert_eq!(server.client().get("/health/live").status, 200);
    drop(stopped);
    assert_eq!(alice.get("/v1/members").status, 200);
    assert_eq!(alice.post("/v1/roles", json!({"name": "auditor"})).status, 201);
    server.assert_ready();
    server.interrupt();
}

#[test]
fn killed_embedded_database_ends_the_program() {
    let work_dir = seeded_work_dir();
    let mut server = RunningServer::start(work_dir.path(), &[("DB_CONNECT_TIMEOUT_SECS", "300")]);
    let alice = sign_in(&server);
    assert_eq!(alice.post("/v1/roles", json!({"name": "auditor"})).status, 201);
    let mut session = connect_embedded(work_dir.path());
    session.execute("BEGIN; LOCK TABLE memberships");
    std::thread::scope(|scope| {
        // The read is tried again, for which it waits for a connection.
        scope.spawn(|| assert_unavailable(|| alice.get("/v1/members")));
        scope.spawn(|| assert_unavailable(|| alice.post("/v1/roles", json!({"name": "waiting"}))));
        wait_until("requests that wait for the lock", || session.count_lock_waiters() >= 2);
        kill("-KILL", &[postmaster(work_dir.path())]);
    });
    let mut status = None;
    wait_until("the program's exit", || {
        status = server.child.try_wait().unwrap();
        status.is_some()
    });
    server.wait_for_output("the embedded database exited unexpectedly");
    assert_eq!(status.and_then(|status| status.code()), Some(1), "{}", server.output());
    // The next start recovers what was committed.
    let server = RunningServer::start(work_dir.path(), &[]);
    let roles = sign_in(&server).get("/v1/roles");
    assert!(roles.body.contains("auditor") && !roles.body.contains("waiting"), "{}", roles.body);
    server.interrupt();
}

/// PostgreSQL ends all connections and recovers when one of its processes was killed, for example since memory was short.
#[test]
fn killed_backend_does_not_end_the_program() {
    let work_dir = seeded_work_dir();
    let server = RunningServer::start(work_dir.path(), &[]);
    let alice = sign_in(&server);
    let backend = "SELECT pid FROM pg_stat_activity WHERE application_name = 'tenantry' LIMIT 1";
    let (pid,) = connect_embedded(work_dir.path()).fetch_all::<(i32,)>(backend)[0];
    kill("-KILL", &[pid.unsigned_abs()]);
    for send in [|alice: &Client| alice.get("/v1/members"), |alice: &Client| alice.get("/v1/tenant")] {
        wait_until("the recovery", || match send(&alice).status {
            200 => true,
            503 => false,
            status => panic!("status {status} during the recovery"),
        });
    }
    assert_eq!(alice.post("/v1/roles", json!({"name": "auditor"})).status, 201);
    server.assert_ready();
    server.interrupt();
}
