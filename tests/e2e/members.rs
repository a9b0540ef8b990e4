//! `GET /v1/members` and `GET /v1/members/{id}`

use rstest::rstest;

use crate::client::{TestApp, app, transcript};

#[rstest]
fn members_are_paginated(app: TestApp) {
    let acme = app.alice().in_tenant("acme");
    let first = acme.get("/v1/members?limit=1").json();
    assert_eq!(first["members"][0]["email"], "bob@example.com");
    let cursor = first["next_cursor"].as_str().expect("the first page has no next_cursor");
    let last = acme.get(&format!("/v1/members?limit=1&cursor={cursor}")).json();
    assert_eq!(last["members"][0]["email"], "alice@example.com");
    assert_eq!(last.get("next_cursor"), None);
    assert_eq!(acme.get("/v1/members?limit=2").json().get("next_cursor"), None);
}

#[rstest]
fn invalid_query_is_rejected(app: TestApp) {
    let acme = app.alice().in_tenant("acme");
    for query in ["limit=0", "limit=101", "limit=-1", "limit=x", "cursor=hunter2", "hunter2=1", "limit=1&limit=2"] {
        let response = acme.get(&format!("/v1/members?{query}"));
        assert_eq!(response.outcome(), "400 malformed-request", "{query}");
        assert!(!response.body.contains("hunter2"), "{query}: {response}");
    }
}

#[rstest]
fn owner_condition_uses_path_id(app: TestApp) {
    app.sql(r#"UPDATE policies SET condition = '{"owner": {}}' WHERE resource = 'user'"#);
    let acme = app.bob().in_tenant("acme");
    assert_eq!(acme.get(&format!("/v1/members/{}", app.seed.users.bob.id)).status, 200);
    let alice = acme.get(&format!("/v1/members/{}", app.seed.users.alice.id));
    assert_eq!(alice.outcome(), "403 permission-missing");
    // A list has no owner, so the condition is indeterminate.
    assert_eq!(acme.get("/v1/members").status, 403);
}

#[rstest]
fn other_tenants_member_is_not_found(app: TestApp) {
    let globex = app.alice().in_tenant("globex");
    let bob = globex.get(&format!("/v1/members/{}", app.seed.users.bob.id));
    let missing = globex.get("/v1/members/0190a8a0-0000-7000-8000-000000000000");
    assert_eq!((bob.status, &bob.body), (missing.status, &missing.body));
    snapshot!(transcript([
        ("GET /v1/members/{bob}", bob),
        ("GET /v1/members/hunter2", globex.get("/v1/members/hunter2")),
    ]));
}
