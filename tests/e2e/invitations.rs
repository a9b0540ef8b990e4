//! `/v1/invitations`, and the page `/join`

use std::thread;

use rstest::rstest;
use serde_json::{Value, json};

use crate::client::{Client, Response, TestApp, app, count_outcomes, transcript};

/// Invites this e-mail address to Acme as a member.
fn invite(app: &TestApp, alice: &Client, email: &str) -> Response {
    let body = json!({"email": email, "role_id": app.seed.tenants.acme.member_role});
    alice.in_tenant("acme").post("/v1/invitations", body)
}

fn token(created: &Response) -> String {
    created.json()["link"].as_str().unwrap().split_once('#').unwrap().1.to_owned()
}

fn accept(client: &Client, token: &str) -> Response {
    client.post("/v1/invitations/accept", json!({"token": token}))
}

fn invitation_path(created: &Response) -> String {
    format!("/v1/invitations/{}", created.json()["id"].as_str().unwrap())
}

#[rstest]
fn invited_user_becomes_member(app: TestApp) {
    let (alice, carol) = (app.alice(), app.carol());
    let acme = alice.in_tenant("acme");
    // Removes the expired invitation of the demo data.
    app.sql("DELETE FROM invitations");
    let created = invite(&app, &alice, " Carol@Example.com ");
    let listed = acme.get("/v1/invitations");
    let again = acme.post(&format!("{}/resend", invitation_path(&created)), "");
    assert_ne!(token(&again), token(&created));
    let (old, new) = (accept(&carol, &token(&created)), accept(&carol, &token(&again)));
    assert_eq!(carol.get("/v1/me").json()["tenants"], json!([new.json()]));
    assert_eq!(carol.in_tenant("acme").get("/v1/members").json()["members"].as_array().unwrap().len(), 3);
    assert_eq!(acme.get("/v1/invitations").json(), json!({"invitations": []}));

    let other = invite(&app, &alice, "dana@example.com");
    let revoked = acme.delete(&invitation_path(&other));
    assert_eq!(acme.get("/v1/invitations").json(), json!({"invitations": []}));
    let generated = [token(&created), token(&again), created.json()["id"].as_str().unwrap().to_owned()];
    let text = transcript([
        ("POST /v1/invitations", created),
        ("GET /v1/invitations", listed),
        ("POST /v1/invitations/{id}/resend", again),
        ("POST /v1/invitations/accept, with the old token", old),
        ("POST /v1/invitations/accept", new),
        ("DELETE /v1/invitations/{id}", revoked),
    ]);
    let names = ["[first token]", "[second token]", "[invitation]"];
    let text = text.replace(&format!("http://{}/", app.addr), "http://[address]/");
    snapshot!(generated.iter().zip(names).fold(text, |text, (generated, name)| text.replace(generated, name)));
}

#[rstest]
fn invalid_invitation_tokens_are_indistinguishable(app: TestApp) {
    let (alice, bob, carol) = (app.alice(), app.bob(), app.carol());
    let acme = alice.in_tenant("acme");
    let unknown = accept(&carol, &"A".repeat(43));
    assert_eq!(unknown.outcome(), "404 invitation-not-found");

    let used = token(&invite(&app, &alice, "carol@example.com"));
    assert_eq!(accept(&carol, &used).status, 200);
    app.sql("DELETE FROM memberships WHERE user_id = '019a0000-0000-7000-8000-0000000ca201'");
    let revoked = invite(&app, &alice, "carol@example.com");
    assert_eq!(acme.delete(&invitation_path(&revoked)).status, 204);
    let open = invite(&app, &alice, "carol@example.com");
    let mut responses = vec![
        ("malformed", accept(&carol, "hunter2")),
        ("empty", accept(&carol, "")),
        ("used", accept(&carol, &used)),
        ("revoked", accept(&carol, &token(&revoked))),
        ("for another user", accept(&bob, &token(&open))),
        ("used, with a tenant header", accept(&carol.in_tenant("acme"), &used)),
    ];
    for (what, break_sql, repair_sql) in [
        (
            "expired",
            "UPDATE invitations SET created_at = now() - interval '7 days', expires_at = now()",
            "UPDATE invitations SET expires_at = now() + interval '7 days'",
        ),
        (
            "tenant archived",
            "UPDATE tenants SET status = 'archived' WHERE slug = 'acme'",
            "UPDATE tenants SET status = 'active'",
        ),
        (
            "inviter deactivated",
            "UPDATE users SET deactivated_at = now() WHERE email = 'alice@example.com'",
            "UPDATE users SET deactivated_at = NULL",
        ),
    ] {
        app.sql(break_sql);
        responses.push((what, accept(&carol, &token(&open))));
        app.sql(repair_sql);
    }
    for (what, response) in &responses {
        assert_eq!((response.status, &response.body), (404, &unknown.body), "{what}");
    }
    // None of the rejected attempts consumed the open invitation.
    assert_eq!(accept(&carol, &token(&open)).status, 200);
    snapshot!(transcript([("POST /v1/invitations/accept", unknown)]));
}

#[rstest]
fn invalid_input_is_rejected(app: TestApp) {
    let alice = app.alice();
    let acme = alice.in_tenant("acme");
    let before = acme.get("/v1/invitations").body;
    let role = app.seed.tenants.acme.member_role.to_string();
    let long = format!("{}@example.com", "hunter2".repeat(36));
    for (email, role, pointer) in [
        (json!("hunter2"), json!(role), "/email"),
        (json!("hunter2@"), json!(role), "/email"),
        (json!("hunter2@a@b"), json!(role), "/email"),
        (json!("hunter2\u{0}@example.com"), json!(role), "/email"),
        (json!(long), json!(role), "/email"),
        (json!(""), json!(role), "/email"),
        (json!(null), json!(role), "/email"),
        (json!("hunter2@example.com"), json!("admin"), "/role_id"),
        (json!("hunter2@example.com"), json!(null), "/role_id"),
        (json!("hunter2@example.com"), json!("0190a8a0-0000-7000-8000-000000000000"), "/role_id"),
        (json!("hunter2@example.com"), json!(app.seed.tenants.globex.member_role), "/role_id"),
    ] {
        let body = json!({"email": email, "role_id": role});
        acme.post("/v1/invitations", &body).assert_invalid_body(pointer, &body);
    }
    for body in [
        json!({"email": "hunter2@example.com"}),
        json!({"role_id": role}),
        json!({"email": "hunter2@example.com", "role_id": role, "expires_at": "2099-01-01T00:00:00Z"}),
        json!([]),
    ] {
        assert_eq!(acme.post("/v1/invitations", &body).outcome(), "422 invalid-body", "{body}");
    }
    for response in [acme.delete("/v1/invitations/hunter2"), acme.post("/v1/invitations/hunter2/resend", "")] {
        assert_eq!(response.outcome(), "400 malformed-request");
    }
    for body in ["{}", r#"{"token": 1}"#, r#"{"token": "x", "tenant": "acme"}"#] {
        assert_eq!(alice.post("/v1/invitations/accept", body).status, 422, "{body}");
    }
    assert_eq!(acme.get("/v1/invitations?limit=0").status, 400);
    assert_eq!(acme.get("/v1/invitations").body, before);
}

#[rstest]
fn invite_conflicts_are_reported(app: TestApp) {
    let (alice, carol) = (app.alice(), app.carol());
    let member = invite(&app, &alice, "bob@example.com");
    let registered = invite(&app, &alice, "carol@example.com");
    let (registered_again, unknown) =
        (invite(&app, &alice, "carol@example.com"), invite(&app, &alice, "nobody@example.com"));
    let unknown_again = invite(&app, &alice, "nobody@example.com");
    // The responses don't reveal that Carol has an account.
    assert_eq!((registered.status, unknown.status), (201, 201));
    assert_eq!((registered_again.status, &registered_again.body), (unknown_again.status, &unknown_again.body));

    app.sql("UPDATE tenant_attributes SET seat_limit = 4");
    let no_seat = invite(&app, &alice, "erin@example.com");
    app.sql("UPDATE tenant_attributes SET seat_limit = 2");
    let no_seat_for_carol = accept(&carol, &token(&registered));
    app.sql("UPDATE tenant_attributes SET seat_limit = 100");
    app.sql(
        "INSERT INTO memberships (tenant_id, user_id, role_id)
         SELECT tenant_id, '019a0000-0000-7000-8000-0000000ca201', id
         FROM roles WHERE id = '019a0000-0000-7002-8000-00000000acee'",
    );
    let already_member = accept(&carol, &token(&registered));
    snapshot!(transcript([
        ("POST /v1/invitations: a member's address", member),
        ("POST /v1/invitations: already invited", registered_again),
        ("POST /v1/invitations: no seat", no_seat),
        ("POST /v1/invitations/accept: no seat", no_seat_for_carol),
        ("POST /v1/invitations/accept: already a member", already_member),
    ]));
}

#[rstest]
fn member_cannot_invite(app: TestApp) {
    let bob = app.bob().in_tenant("acme");
    let role = app.seed.tenants.acme.member_role;
    for response in [
        bob.post("/v1/invitations", json!({"email": "carol@example.com", "role_id": role})),
        bob.get("/v1/invitations"),
        bob.post(&format!("/v1/invitations/{}/resend", authorization::seed::ACME_INVITATION), ""),
        bob.delete(&format!("/v1/invitations/{}", authorization::seed::ACME_INVITATION)),
    ] {
        assert_eq!((response.status, response.json()["permission"].as_str()), (403, Some("member:invite")));
    }
}

#[rstest]
fn other_tenants_invitation_is_not_found(app: TestApp) {
    let alice = app.alice();
    let created = invite(&app, &alice, "carol@example.com");
    let globex = alice.in_tenant("globex");
    let unknown_path = "/v1/invitations/0190a8a0-0000-7000-8000-000000000000";
    for (foreign, missing) in [
        (globex.delete(&invitation_path(&created)), globex.delete(unknown_path)),
        (
            globex.post(&format!("{}/resend", invitation_path(&created)), ""),
            globex.post(&format!("{unknown_path}/resend"), ""),
        ),
    ] {
        assert_eq!((foreign.status, &foreign.body), (404, &missing.body));
    }
    assert!(alice.in_tenant("acme").get("/v1/invitations").body.contains("carol@example.com"));
    assert!(!globex.get("/v1/invitations").body.contains("carol@example.com"));
}

#[rstest]
fn concurrent_acceptance_creates_one_member(app: TestApp) {
    let (alice, carol) = (app.alice(), app.carol());
    let token = token(&invite(&app, &alice, "carol@example.com"));
    let responses: Vec<Response> = thread::scope(|scope| {
        let threads: Vec<_> = (0..30).map(|_| scope.spawn(|| accept(&carol, &token))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let outcomes = count_outcomes(responses);
    assert_eq!(outcomes, [("200".to_owned(), 1), ("404 invitation-not-found".to_owned(), 29)].into());
    assert_eq!(alice.in_tenant("acme").get("/v1/members").json()["members"].as_array().unwrap().len(), 3);
}

#[rstest]
fn invitations_are_paginated(app: TestApp) {
    let alice = app.alice();
    app.sql("DELETE FROM invitations");
    for name in ["a", "b", "c"] {
        assert_eq!(invite(&app, &alice, &format!("{name}@example.com")).status, 201);
    }
    let acme = alice.in_tenant("acme");
    let first = acme.get("/v1/invitations?limit=2").json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = acme.get(&format!("/v1/invitations?limit=2&cursor={cursor}")).json();
    assert_eq!(
        (first["invitations"].as_array().unwrap().len(), second["invitations"].as_array().unwrap().len()),
        (2, 1)
    );
    assert_eq!(second["next_cursor"], Value::Null);
}

#[rstest]
fn join_page_enforces_csp(app: TestApp) {
    let page = app.anonymous().get("/join");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let policy = page.header("content-security-policy").unwrap();
    for directive in [
        "default-src 'none'",
        "script-src 'sha256-",
        "style-src 'sha256-",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(directive), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(page.body.contains("v1/invitations/accept"), "{}", page.body);
}
