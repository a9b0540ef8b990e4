//! `PATCH /v1/me`

use rstest::rstest;

use crate::client::{TestApp, app, transcript};

#[rstest]
fn profile_update_is_visible_in_every_tenant(app: TestApp) {
    let (alice, bob) = (app.alice(), app.bob());
    let response = bob.patch("/v1/me", r#"{"display_name": " Robert Brown "}"#);
    assert_eq!(response.json(), bob.get("/v1/me").json());
    let member = alice.in_tenant("acme").get(&format!("/v1/members/{}", app.seed.users.bob.id)).json();
    assert_eq!(member["display_name"], "Robert Brown");
    assert_eq!(alice.get("/v1/me").json()["display_name"], "Alice Adams");
    snapshot!(transcript([("PATCH /v1/me", response)]));
}

#[rstest]
fn invalid_input_is_rejected(app: TestApp) {
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
        bob.patch("/v1/me", body).assert_invalid_body(pointer, body);
        assert_eq!(bob.get("/v1/me").body, before, "{body}");
    }
}

/// An admin manages memberships, but can't edit users.
#[rstest]
fn users_can_only_edit_themselves(app: TestApp) {
    let alice = app.alice().in_tenant("acme");
    let path = format!("/v1/members/{}", app.seed.users.bob.id);
    // `PATCH /v1/members/{id}` changes the role and nothing else.
    let role = app.seed.tenants.acme.member_role;
    for body in [r#"{"display_name": "X"}"#.to_owned(), format!(r#"{{"role_id": "{role}", "display_name": "X"}}"#)] {
        assert_eq!(alice.patch(&path, &body).status, 422, "{body}");
    }
    assert_eq!(app.bob().get("/v1/me").json()["display_name"], "Bob Brown");
}
