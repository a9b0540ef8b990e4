//! `POST /v1/auth/login`

use std::{sync::mpsc, thread};

use rstest::rstest;

use crate::client::{TestApp, app, transcript};

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
    assert_eq!(overloaded.header("retry-after"), Some("2"), "{overloaded}");
    assert_eq!(overloaded.outcome(), "503 overloaded");
    database.execute("ROLLBACK");
    assert_eq!(responses.iter().count(), SIGN_INS - 1);
    assert_eq!(app.anonymous().login("alice@example.com", "tenantry-demo").status, 200);
}
