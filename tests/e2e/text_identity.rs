//! Names and addresses that look the same but have other characters.

use rstest::rstest;
use serde_json::json;

use crate::client::{TestApp, app};

#[rstest]
fn disallowed_character_is_named_by_code_point(app: TestApp) {
    let alice = app.alice();
    let acme = alice.in_tenant("acme");
    let role = app.seed.tenants.acme.member_role;
    for (text, code_point) in [
        ("hunter2\u{202e}", "U+202E"),
        ("\u{feff}hunter2", "U+FEFF"),
        ("hunter2\u{200b}", "U+200B"),
        ("hunter2\u{2028}x", "U+2028"),
        ("hunter2\u{10fffd}", "U+10FFFD"),
    ] {
        let email = format!("{text}@example.com");
        let responses = [
            ("/name", alice.post("/v1/tenants", json!({"name": text}))),
            ("/name", acme.patch("/v1/tenant", json!({"name": text}))),
            ("/name", acme.post("/v1/roles", json!({"name": text}))),
            ("/display_name", alice.patch("/v1/me", json!({"display_name": text}))),
            ("/email", acme.post("/v1/invitations", json!({"email": email, "role_id": role}))),
        ];
        for (pointer, response) in responses {
            response.assert_invalid_body(pointer, code_point);
            let errors = &response.json()["errors"];
            let detail = errors[0]["detail"].as_str().unwrap();
            assert!(detail.starts_with(&format!("The character {code_point} is not allowed.")), "{errors}");
            assert!(response.body.is_ascii() && errors.as_array().unwrap().len() == 1, "{response}");
        }
    }
}

#[rstest]
fn names_are_stored_normalized(app: TestApp) {
    let (alice, body) = (app.alice(), json!({"name": " Zoe\u{308}\u{a0} Corp "}));
    assert_eq!(alice.post("/v1/tenants", &body).json()["name"], "Zo\u{eb} Corp");
    let renamed = alice.patch("/v1/me", json!({"display_name": "\u{1f469}\u{1f3fd}\u{200d}\u{1f680} Alice"}));
    assert_eq!(renamed.json()["display_name"], "\u{1f469}\u{1f3fd}\u{200d}\u{1f680} Alice");
    let role = app.seed.tenants.acme.member_role;
    let invitation = json!({"email": "Dana@B\u{fc}cher.example", "role_id": role});
    let invited = alice.in_tenant("acme").post("/v1/invitations", invitation);
    assert_eq!(invited.json()["email"], "dana@xn--bcher-kva.example", "{invited}");
}

#[rstest]
fn equivalent_role_name_is_a_conflict(app: TestApp) {
    let acme = app.alice().in_tenant("acme");
    for name in ["ADMIN", "\u{ff41}\u{ff44}\u{ff4d}\u{ff49}\u{ff4e}", "admin\u{fe0f}", "\u{24d0}dmin"] {
        let response = acme.post("/v1/roles", json!({"name": name}));
        assert_eq!(response.outcome(), "409 role-name-taken", "{name:?}");
    }
}
