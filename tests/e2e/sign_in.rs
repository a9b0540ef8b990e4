//! `POST /v1/auth/login`

use rstest::rstest;

use crate::client::{App, app, transcript};

fn login(email: &str, password: &str) -> String {
    serde_json::json!({"email": email, "password": password}).to_string()
}

#[rstest]
fn the_right_password_gives_a_token(app: App) {
    let answer = app.nobody().post("/v1/auth/login", &login("alice@example.com", "tenantry-demo"));
    snapshot!(transcript([("POST /v1/auth/login", answer)]));
}

#[rstest]
fn a_wrong_password_and_an_unknown_address_get_the_same_bytes(app: App) {
    let wrong = app.nobody().post("/v1/auth/login", &login("alice@example.com", "wrong"));
    for (email, password) in [("nobody@example.com", "tenantry-demo"), ("no address", "tenantry-demo")] {
        let other = app.nobody().post("/v1/auth/login", &login(email, password));
        assert_eq!((other.status, &other.body), (wrong.status, &wrong.body), "{email}");
    }
    snapshot!(transcript([("POST /v1/auth/login", wrong)]));
}

#[rstest]
fn bodies_that_do_not_fit_are_named_by_their_place_and_not_repeated(app: App) {
    let nobody = app.nobody();
    let long = login("alice@example.com", &"hunter2".repeat(200));
    let post = |body: &str| nobody.post("/v1/auth/login", body);
    let answers = [
        ("no JSON", post("hunter2")),
        ("nothing", post("")),
        ("a field missing", post(r#"{"email": "alice@example.com"}"#)),
        ("a field of another type", post(r#"{"email": "alice@example.com", "password": ["hunter2"]}"#)),
        ("a field that isn't known", post(r#"{"email": "a@b", "password": "hunter2", "hunter2": 1}"#)),
        ("a password that is too long", post(&long)),
        ("a body that is too large", post(&login("alice@example.com", &"hunter2".repeat(2000)))),
        ("another content type", nobody.with("Content-Type", "text/plain").send("POST", "/v1/auth/login", Some(&long))),
    ];
    for (what, answer) in &answers {
        assert!(!answer.body.contains("hunter2"), "{what}: {answer}");
    }
    snapshot!(transcript(answers));
}

#[rstest]
fn a_deactivated_person_is_signed_in_nowhere_from_the_next_request_on(app: App) {
    let bob = app.bob().within("acme");
    assert_eq!(bob.get("/v1/members").status, 200);
    app.sql("UPDATE users SET deactivated_at = now() WHERE email = 'bob@example.com'");
    for path in ["/v1/me", "/v1/members"] {
        let answer = bob.get(path);
        assert_eq!((answer.status, answer.problem()), (401, "unauthenticated".into()), "{path}");
    }
    let again = app.nobody().post("/v1/auth/login", &login("bob@example.com", "tenantry-demo"));
    assert_eq!((again.status, again.problem()), (401, "sign-in-refused".into()));
}
