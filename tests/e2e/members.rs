//! `GET /v1/members` and `GET /v1/users/{id}`

use rstest::rstest;

use crate::client::{App, app, transcript};

#[rstest]
fn members_are_paged_by_cursor(app: App) {
    let acme = app.alice().within("acme");
    let first = acme.get("/v1/members?limit=1").json();
    assert_eq!(first["members"][0]["email"], "bob@example.com");
    let cursor = first["next_cursor"].as_str().expect("there is another page");
    let last = acme.get(&format!("/v1/members?limit=1&cursor={cursor}")).json();
    assert_eq!(last["members"][0]["email"], "alice@example.com");
    assert_eq!(last.get("next_cursor"), None);
    assert_eq!(acme.get("/v1/members?limit=2").json().get("next_cursor"), None);
}

#[rstest]
fn queries_that_do_not_fit_are_refused(app: App) {
    let acme = app.alice().within("acme");
    for query in ["limit=0", "limit=101", "limit=-1", "limit=x", "cursor=hunter2", "hunter2=1", "limit=1&limit=2"] {
        let answer = acme.get(&format!("/v1/members?{query}"));
        assert_eq!((answer.status, answer.problem()), (400, "malformed-request".into()), "{query}");
        assert!(!answer.body.contains("hunter2"), "{query}: {answer}");
    }
}

#[rstest]
fn a_policy_that_looks_at_the_owner_sees_whom_the_path_names(app: App) {
    app.sql(r#"UPDATE policies SET condition = '{"owner": {}}' WHERE resource = 'user'"#);
    let acme = app.bob().within("acme");
    assert_eq!(acme.get(&format!("/v1/users/{}", app.seed.users.bob.id)).status, 200);
    let alice = acme.get(&format!("/v1/users/{}", app.seed.users.alice.id));
    assert_eq!((alice.status, alice.problem()), (403, "permission-missing".into()));
    // A list is nobody's own.
    assert_eq!(acme.get("/v1/members").status, 403);
}

#[rstest]
fn a_person_of_another_tenant_is_the_same_bytes_as_nobody(app: App) {
    let globex = app.alice().within("globex");
    let bob = globex.get(&format!("/v1/users/{}", app.seed.users.bob.id));
    let nobody = globex.get("/v1/users/0190a8a0-0000-7000-8000-000000000000");
    assert_eq!((bob.status, &bob.body), (nobody.status, &nobody.body));
    snapshot!(transcript([("GET /v1/users/{bob}", bob), ("GET /v1/users/hunter2", globex.get("/v1/users/hunter2")),]));
}
