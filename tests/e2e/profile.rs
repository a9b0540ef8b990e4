//! `PATCH /v1/me`

use rstest::rstest;

use crate::client::{App, app, transcript};

#[rstest]
fn one_changes_what_others_see_of_oneself_in_every_tenant(app: App) {
    let (alice, bob) = (app.alice(), app.bob());
    let answer = bob.patch("/v1/me", r#"{"display_name": " Robert Brown "}"#);
    assert_eq!(answer.json(), bob.get("/v1/me").json());
    let seen = alice.within("acme").get(&format!("/v1/users/{}", app.seed.users.bob.id)).json();
    assert_eq!(seen["display_name"], "Robert Brown");
    assert_eq!(alice.get("/v1/me").json()["display_name"], "Alice Adams");
    snapshot!(transcript([("PATCH /v1/me", answer)]));
}

#[rstest]
fn what_does_not_fit_is_named_and_changes_nothing(app: App) {
    let bob = app.bob();
    let before = bob.get("/v1/me").body;
    let long = format!(r#"{{"display_name": "{}"}}"#, "x".repeat(201));
    for (body, pointer) in [
        ("{}", ""),
        (r#"{"display_name": null}"#, "/display_name"),
        (r#"{"display_name": 1}"#, "/display_name"),
        (r#"{"display_name": ""}"#, "/display_name"),
        (r#"{"display_name": "  "}"#, "/display_name"),
        (r#"{"display_name": "hunter2\nx"}"#, "/display_name"),
        (r#"{"display_name": "hunter2\u0000"}"#, "/display_name"),
        (&long, "/display_name"),
        (r#"{"display_name": "hunter2", "email": "hunter2@example.com"}"#, ""),
        (r#"{"display_name": "hunter2", "id": "019a0000-0000-7000-8000-00000000a11c"}"#, ""),
    ] {
        let answer = bob.patch("/v1/me", body);
        assert_eq!((answer.status, answer.problem()), (422, "invalid-body".into()), "{body}");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}");
        assert!(!answer.body.contains("hunter2"), "{answer}");
        assert_eq!(bob.get("/v1/me").body, before, "{body}");
    }
}

/// Whoever is admin where somebody is a member decides on the membership, not on the person.
#[rstest]
fn there_is_no_route_by_which_somebody_else_changes_a_person(app: App) {
    let alice = app.alice().within("acme");
    let path = format!("/v1/users/{}", app.seed.users.bob.id);
    assert_eq!(alice.patch(&path, r#"{"display_name": "X"}"#).status, 405);
    assert_eq!(app.bob().get("/v1/me").json()["display_name"], "Bob Brown");
}
