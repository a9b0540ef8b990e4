//! `/v1/invitations`, and the page `/join`

use std::{collections::BTreeMap, thread};

use rstest::rstest;
use serde_json::{Value, json};

use crate::client::{Answer, App, Client, app, transcript};

/// Alice invites this address to Acme, to be a member.
fn invite(app: &App, alice: &Client, email: &str) -> Answer {
    let body = json!({"email": email, "role_id": app.seed.tenants.acme.member_role});
    alice.within("acme").post("/v1/invitations", &body.to_string())
}

fn token(sent: &Answer) -> String {
    sent.json()["link"].as_str().unwrap().split_once('#').unwrap().1.to_owned()
}

fn accept(client: &Client, token: &str) -> Answer {
    client.post("/v1/invitations/accept", &json!({"token": token}).to_string())
}

fn path(sent: &Answer) -> String {
    format!("/v1/invitations/{}", sent.json()["id"].as_str().unwrap())
}

#[rstest]
fn who_is_invited_comes_in(app: App) {
    let (alice, carol) = (app.alice(), app.stranger());
    let acme = alice.within("acme");
    // The demo's own, which has expired, is out of the way.
    app.sql("DELETE FROM invitations");
    let sent = invite(&app, &alice, " Carol@Example.com ");
    let listed = acme.get("/v1/invitations");
    let again = acme.post(&format!("{}/resend", path(&sent)), "");
    assert_ne!(token(&again), token(&sent));
    let (old, new) = (accept(&carol, &token(&sent)), accept(&carol, &token(&again)));
    assert_eq!(carol.get("/v1/me").json()["tenants"], json!([new.json()]));
    assert_eq!(carol.within("acme").get("/v1/members").json()["members"].as_array().unwrap().len(), 3);
    assert_eq!(acme.get("/v1/invitations").json(), json!({"invitations": []}));

    let other = invite(&app, &alice, "dana@example.com");
    let revoked = acme.delete(&path(&other));
    assert_eq!(acme.get("/v1/invitations").json(), json!({"invitations": []}));
    let chance = [token(&sent), token(&again), sent.json()["id"].as_str().unwrap().to_owned()];
    let text = transcript([
        ("POST /v1/invitations", sent),
        ("GET /v1/invitations", listed),
        ("POST /v1/invitations/{id}/resend", again),
        ("POST /v1/invitations/accept, with the old link", old),
        ("POST /v1/invitations/accept", new),
        ("DELETE /v1/invitations/{id}", revoked),
    ]);
    let names = ["(the first token)", "(the second token)", "(the invitation)"];
    let text = text.replace(&format!("http://{}/", app.addr), "http://(the address)/");
    snapshot!(chance.iter().zip(names).fold(text, |text, (chance, name)| text.replace(chance, name)));
}

#[rstest]
fn whatever_is_wrong_with_a_token_the_answer_is_the_same_bytes(app: App) {
    let (alice, bob, carol) = (app.alice(), app.bob(), app.stranger());
    let acme = alice.within("acme");
    let unknown = accept(&carol, &"A".repeat(43));
    assert_eq!((unknown.status, unknown.problem()), (404, "invitation-not-found".into()));

    let used = token(&invite(&app, &alice, "carol@example.com"));
    assert_eq!(accept(&carol, &used).status, 200);
    app.sql("DELETE FROM memberships WHERE user_id = '019a0000-0000-7000-8000-0000000ca201'");
    let revoked = invite(&app, &alice, "carol@example.com");
    assert_eq!(acme.delete(&path(&revoked)).status, 204);
    let open = invite(&app, &alice, "carol@example.com");
    let mut answers = vec![
        ("no token", accept(&carol, "hunter2")),
        ("nothing", accept(&carol, "")),
        ("used", accept(&carol, &used)),
        ("revoked", accept(&carol, &token(&revoked))),
        ("somebody else's", accept(&bob, &token(&open))),
        ("in a tenant's name", accept(&carol.within("acme"), &used)),
    ];
    for (what, spoil, mend) in [
        (
            "expired",
            "UPDATE invitations SET created_at = now() - interval '7 days', expires_at = now()",
            "UPDATE invitations SET expires_at = now() + interval '7 days'",
        ),
        (
            "archived",
            "UPDATE tenants SET status = 'archived' WHERE slug = 'acme'",
            "UPDATE tenants SET status = 'active'",
        ),
        (
            "the inviter is gone",
            "UPDATE users SET deactivated_at = now() WHERE email = 'alice@example.com'",
            "UPDATE users SET deactivated_at = NULL",
        ),
    ] {
        app.sql(spoil);
        answers.push((what, accept(&carol, &token(&open))));
        app.sql(mend);
    }
    for (what, answer) in &answers {
        assert_eq!((answer.status, &answer.body), (404, &unknown.body), "{what}");
    }
    // It was none of these that was wrong with it in itself.
    assert_eq!(accept(&carol, &token(&open)).status, 200);
    snapshot!(transcript([("POST /v1/invitations/accept", unknown)]));
}

#[rstest]
fn what_does_not_fit_is_named_and_changes_nothing(app: App) {
    let alice = app.alice();
    let acme = alice.within("acme");
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
        let answer = acme.post("/v1/invitations", &json!({"email": email, "role_id": role}).to_string());
        assert_eq!((answer.status, answer.problem()), (422, "invalid-body".into()), "{answer}");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{answer}");
        assert!(!answer.body.contains("hunter2"), "{answer}");
    }
    for body in [
        json!({"email": "hunter2@example.com"}),
        json!({"role_id": role}),
        json!({"email": "hunter2@example.com", "role_id": role, "expires_at": "2099-01-01T00:00:00Z"}),
        json!([]),
    ] {
        let answer = acme.post("/v1/invitations", &body.to_string());
        assert_eq!((answer.status, answer.problem()), (422, "invalid-body".into()), "{answer}");
    }
    for answer in [acme.delete("/v1/invitations/hunter2"), acme.post("/v1/invitations/hunter2/resend", "")] {
        assert_eq!((answer.status, answer.problem()), (400, "malformed-request".into()), "{answer}");
    }
    for body in ["{}", r#"{"token": 1}"#, r#"{"token": "x", "tenant": "acme"}"#] {
        assert_eq!(alice.post("/v1/invitations/accept", body).status, 422, "{body}");
    }
    assert_eq!(acme.get("/v1/invitations?limit=0").status, 400);
    assert_eq!(acme.get("/v1/invitations").body, before);
}

#[rstest]
fn what_stands_in_the_way_of_an_invitation_is_named(app: App) {
    let (alice, carol) = (app.alice(), app.stranger());
    let member = invite(&app, &alice, "bob@example.com");
    let known = invite(&app, &alice, "carol@example.com");
    let (known_again, nobody) = (invite(&app, &alice, "carol@example.com"), invite(&app, &alice, "nobody@example.com"));
    let nobody_again = invite(&app, &alice, "nobody@example.com");
    // Nothing tells that Carol has an account.
    assert_eq!((known.status, nobody.status), (201, 201));
    assert_eq!((known_again.status, &known_again.body), (nobody_again.status, &nobody_again.body));

    app.sql("UPDATE tenant_attributes SET max_users = 4");
    let no_seat = invite(&app, &alice, "erin@example.com");
    app.sql("UPDATE tenant_attributes SET max_users = 2");
    let no_seat_for_carol = accept(&carol, &token(&known));
    app.sql("UPDATE tenant_attributes SET max_users = 100");
    app.sql(
        "INSERT INTO memberships (tenant_id, user_id, role_id)
         SELECT tenant_id, '019a0000-0000-7000-8000-0000000ca201', id
         FROM roles WHERE id = '019a0000-0000-7002-8000-00000000acee'",
    );
    let already_member = accept(&carol, &token(&known));
    snapshot!(transcript([
        ("POST /v1/invitations: a member's address", member),
        ("POST /v1/invitations: once more", known_again),
        ("POST /v1/invitations: no seat", no_seat),
        ("POST /v1/invitations/accept: no seat", no_seat_for_carol),
        ("POST /v1/invitations/accept: a member already", already_member),
    ]));
}

#[rstest]
fn a_member_cannot_invite(app: App) {
    let bob = app.bob().within("acme");
    let role = app.seed.tenants.acme.member_role;
    for answer in [
        bob.post("/v1/invitations", &format!(r#"{{"email": "carol@example.com", "role_id": "{role}"}}"#)),
        bob.get("/v1/invitations"),
        bob.post(&format!("/v1/invitations/{}/resend", authorization::seed::ACME_INVITATION), ""),
        bob.delete(&format!("/v1/invitations/{}", authorization::seed::ACME_INVITATION)),
    ] {
        assert_eq!((answer.status, answer.json()["permission"].as_str()), (403, Some("member:invite")));
    }
}

#[rstest]
fn an_invitation_of_another_tenant_is_the_same_bytes_as_none(app: App) {
    let alice = app.alice();
    let sent = invite(&app, &alice, "carol@example.com");
    let globex = alice.within("globex");
    let nowhere = "/v1/invitations/0190a8a0-0000-7000-8000-000000000000";
    for (theirs, none) in [
        (globex.delete(&path(&sent)), globex.delete(nowhere)),
        (globex.post(&format!("{}/resend", path(&sent)), ""), globex.post(&format!("{nowhere}/resend"), "")),
    ] {
        assert_eq!((theirs.status, &theirs.body), (404, &none.body));
    }
    assert!(alice.within("acme").get("/v1/invitations").body.contains("carol@example.com"));
    assert!(!globex.get("/v1/invitations").body.contains("carol@example.com"));
}

#[rstest]
fn fifty_acceptances_at_once_make_one_member(app: App) {
    let (alice, carol) = (app.alice(), app.stranger());
    let token = token(&invite(&app, &alice, "carol@example.com"));
    let answers: Vec<Answer> = thread::scope(|scope| {
        let tries: Vec<_> = (0..50).map(|_| scope.spawn(|| accept(&carol, &token))).collect();
        tries.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let mut outcomes: BTreeMap<(u16, String), usize> = BTreeMap::new();
    for answer in answers {
        *outcomes.entry((answer.status, answer.problem())).or_default() += 1;
    }
    assert_eq!(outcomes, [((200, "none".to_owned()), 1), ((404, "invitation-not-found".to_owned()), 49)].into());
    assert_eq!(alice.within("acme").get("/v1/members").json()["members"].as_array().unwrap().len(), 3);
}

#[rstest]
fn invitations_come_in_pages(app: App) {
    let alice = app.alice();
    app.sql("DELETE FROM invitations");
    for name in ["a", "b", "c"] {
        assert_eq!(invite(&app, &alice, &format!("{name}@example.com")).status, 201);
    }
    let acme = alice.within("acme");
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
fn the_link_leads_to_a_page_that_runs_nothing_but_its_own(app: App) {
    let page = app.nobody().get("/join");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let policy = page.header("content-security-policy").unwrap();
    for part in [
        "default-src 'none'",
        "script-src 'sha256-",
        "style-src 'sha256-",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(page.body.contains("v1/invitations/accept"), "{}", page.body);
}
