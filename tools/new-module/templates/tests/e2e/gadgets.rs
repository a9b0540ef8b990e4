//! `/v1/gadgets`

use rstest::rstest;

use crate::client::{App, app};

#[rstest]
fn made_renamed_and_deleted(app: App) {
    let acme = app.alice().within("acme");
    let made = acme.post("/v1/gadgets", r#"{"name": " First "}"#);
    assert_eq!((made.status, made.json()["name"].as_str()), (201, Some("First")), "{made}");
    let path = format!("/v1/gadgets/{}", made.json()["id"].as_str().unwrap());
    assert_eq!(acme.get(&path).json(), made.json());
    let renamed = acme.patch(&path, r#"{"name": "Second"}"#);
    assert_eq!((renamed.status, renamed.json()["name"].as_str()), (200, Some("Second")), "{renamed}");
    let first = acme.get("/v1/gadgets?limit=1").json();
    let rest = acme.get(&format!("/v1/gadgets?cursor={}", first["next_cursor"].as_str().unwrap())).json();
    assert_eq!((&rest["gadgets"][0], rest["gadgets"].as_array().map(Vec::len)), (&renamed.json(), Some(1)));
    assert_eq!(acme.delete(&path).status, 204);
    assert_eq!(acme.get(&path).status, 404);
}

#[rstest]
fn a_name_that_does_not_fit_changes_nothing(app: App) {
    let acme = app.alice().within("acme");
    let path = format!("/v1/gadgets/{}", app.seed.gadgets.acme.id);
    let before = acme.get("/v1/gadgets").body;
    for name in ["", "  ", "a\\nb", &"a".repeat(201)] {
        let body = format!(r#"{{"name": "{name}"}}"#);
        for answer in [acme.post("/v1/gadgets", &body), acme.patch(&path, &body)] {
            assert_eq!((answer.status, answer.json()["errors"][0]["pointer"].as_str()), (422, Some("/name")), "{answer}");
        }
    }
    assert_eq!(acme.get("/v1/gadgets").body, before);
}

#[rstest]
fn another_tenants_is_the_same_bytes_as_none(app: App) {
    let globex = app.alice().within("globex");
    let theirs = globex.get(&format!("/v1/gadgets/{}", app.seed.gadgets.acme.id));
    let nobodys = globex.get("/v1/gadgets/019a0000-0000-7000-8000-0000000000ff");
    assert_eq!((theirs.status, &theirs.body), (404, &nobodys.body));
}
