//! `POST /v1/auth/login`

use std::{sync::mpsc, thread};

use rstest::rstest;

use crate::{
    client::{Client, Response, TestApp, app, transcript},
    superuser_connection::DbConnection,
};

#[rstest]
fn sign_in_returns_token(app: TestApp) {
    let response = app.anonymous().login("alice@example.com", "tenantry-demo");
    snapshot!(transcript([("POST /v1/auth/login", response)]));
}

#[rstest]
fn sign_in_failures_are_indistinguishable(app: TestApp) {
    let wrong = app.anonymous().login("alice@example.com", "wrong");
    for (email, password) in [("nobody@example.com", "tenantry-demo"), ("no address", "tenantry-demo")] {
        let other = app.anonymous().login(email, password);
        assert_eq!((other.status, &other.body), (wrong.status, &wrong.body), "{email}");
    }
    snapshot!(transcript([("POST /v1/auth/login", wrong)]));
}

#[rstest]
fn invalid_body_errors_have_pointers_without_echo(app: TestApp) {
    let anonymous = app.anonymous();
    let long = format!(r#"{{"email": "alice@example.com", "password": "{}"}}"#, "hunter2".repeat(200));
    let post = |body: &str| anonymous.post("/v1/auth/login", body);
    let responses = [
        ("not JSON", post("hunter2")),
        ("empty body", post("")),
        ("missing field", post(r#"{"email": "alice@example.com"}"#)),
        ("wrong type", post(r#"{"email": "alice@example.com", "password": ["hunter2"]}"#)),
        ("unknown field", post(r#"{"email": "a@b", "password": "hunter2", "hunter2": 1}"#)),
        ("password too long", post(&long)),
        ("body too large", anonymous.login("alice@example.com", &"hunter2".repeat(2000))),
        (
            "wrong content type",
            anonymous.with_header("Content-Type", "text/plain").send("POST", "/v1/auth/login", Some(&long)),
        ),
    ];
    for (what, response) in &responses {
        assert!(!response.body.contains("hunter2"), "{what}: {response}");
    }
    snapshot!(transcript(responses));
}

#[rstest]
fn deactivation_applies_to_next_request(app: TestApp) {
    let bob = app.bob().in_tenant("acme");
    assert_eq!(bob.get("/v1/members").status, 200);
    app.sql("UPDATE users SET deactivated_at = now() WHERE email = 'bob@example.com'");
    for path in ["/v1/me", "/v1/members"] {
        assert_eq!(bob.get(path).outcome(), "401 unauthenticated", "{path}");
    }
    assert_eq!(app.anonymous().login("bob@example.com", "tenantry-demo").outcome(), "401 invalid-credentials");
}

/// More than the sign-in queue has places: 33 for each of at most 4 slots.
const SIGN_INS: u8 = 150;
/// The maximum share of one client: a quarter of the places.
const MAX_SHARE: u8 = 33;

/// Starts an app behind a trusted proxy, and a sign-in for each of the addresses. They wait until the returned connection
/// to the database ends its transaction. The receiver gets their responses.
fn flood(clients: impl Iterator<Item = String>) -> (TestApp, DbConnection, mpsc::Receiver<Response>) {
    let app = TestApp::with_http(|config| config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]);
    let mut database = app.database();
    database.execute("BEGIN; LOCK TABLE auth_credentials");
    let (answered, responses) = mpsc::channel();
    for addr in clients {
        let (client, answered) = (behind_proxy(&app, &addr), answered.clone());
        thread::spawn(move || answered.send(client.login("alice@example.com", "wrong password")));
    }
    (app, database, responses)
}

/// Returns a client whose address a trusted proxy forwards.
fn behind_proxy(app: &TestApp, addr: &str) -> Client {
    app.anonymous().with_header("X-Forwarded-For", addr)
}

#[test]
fn full_sign_in_queue_returns_503() {
    let (app, mut database, responses) = flood((0..SIGN_INS).map(|number| format!("203.0.113.{number}")));
    // While the others wait for the locked table, one beyond the queue is answered.
    let overloaded = responses.recv().unwrap();
    assert_eq!(overloaded.header("retry-after"), Some("2"), "{overloaded}");
    assert_eq!(overloaded.outcome(), "503 overloaded");
    database.execute("ROLLBACK");
    assert_eq!(responses.iter().count(), usize::from(SIGN_INS - 1));
    assert_eq!(app.alice().get("/v1/me").status, 200);
}

#[test]
fn one_client_cannot_fill_sign_in_queue() {
    let (app, mut database, responses) = flood((0..SIGN_INS).map(|number| format!("2001:db8::{number}")));
    // All but the client's share are answered while the table is locked. So most places of the queue are free.
    for _ in MAX_SHARE..SIGN_INS {
        let overloaded = responses.recv().unwrap();
        assert_eq!(overloaded.header("retry-after"), Some("2"), "{overloaded}");
        assert_eq!(overloaded.outcome(), "503 overloaded");
    }
    thread::scope(|scope| {
        let other = scope.spawn(|| behind_proxy(&app, "2001:db8:0:1::1").login("alice@example.com", seeds::PASSWORD));
        database.execute("ROLLBACK");
        assert_eq!(other.join().unwrap().status, 200);
    });
    assert!(responses.iter().all(|response| matches!(response.status, 401 | 503)));
}
