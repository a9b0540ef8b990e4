//! `/v1/gadgets`

use gadgets::seed::ACME;
use rstest::rstest;

use crate::client::{TestApp, app};

#[rstest]
fn lifecycle(app: TestApp) {
    let acme = app.alice().in_tenant("acme");
    let created = acme.post("/v1/gadgets", r#"{"name": " First "}"#);
    assert_eq!((created.status, created.json()["name"].as_str()), (201, Some("First")), "{created}");
    let path = format!("/v1/gadgets/{}", created.json()["id"].as_str().unwrap());
    assert_eq!(acme.get(&path).json(), created.json());
    let renamed = acme.patch(&path, r#"{"name": "Second"}"#);
    assert_eq!((renamed.status, renamed.json()["name"].as_str()), (200, Some("Second")), "{renamed}");
    let first = acme.get("/v1/gadgets?limit=1").json();
    let rest = acme.get(&format!("/v1/gadgets?cursor={}", first["next_cursor"].as_str().unwrap())).json();
    assert_eq!((&rest["gadgets"][0], rest["gadgets"].as_array().map(Vec::len)), (&renamed.json(), Some(1)));
    assert_eq!(acme.delete(&path).status, 204);
    assert_eq!(acme.get(&path).status, 404);
    let events = acme.get("/v1/audit-events?limit=3").json();
    let types: Vec<&str> = (0..3).map(|index| events["audit_events"][index]["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["gadget.deleted", "gadget.renamed", "gadget.created"]);
}

#[rstest]
fn invalid_name_is_rejected(app: TestApp) {
    let acme = app.alice().in_tenant("acme");
    let path = format!("/v1/gadgets/{ACME}");
    let before = acme.get("/v1/gadgets").body;
    for name in ["", "  ", "a\\nb", &"a".repeat(201)] {
        let body = format!(r#"{{"name": "{name}"}}"#);
        for response in [acme.post("/v1/gadgets", &body), acme.patch(&path, &body)] {
            assert_eq!((response.status, response.json()["errors"][0]["pointer"].as_str()), (422, Some("/name")), "{response}");
        }
    }
    assert_eq!(acme.get("/v1/gadgets").body, before);
}

#[rstest]
fn other_tenants_gadget_is_not_found(app: TestApp) {
    let globex = app.alice().in_tenant("globex");
    let theirs = globex.get(&format!("/v1/gadgets/{ACME}"));
    let unknown = globex.get("/v1/gadgets/019a0000-0000-7000-8000-0000000000ff");
    assert_eq!((theirs.status, &theirs.body), (404, &unknown.body));
}
