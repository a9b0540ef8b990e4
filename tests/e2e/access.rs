//! Every route of the OpenAPI document, as everybody: nobody, a stranger, a member, an admin; in the tenant, in another
//! one, in none. One golden file shows it all; a route that isn't tried here turns it red.

use std::fmt::Write;

use authorization::seed::ACME_INVITATION;
use rstest::rstest;
use serde_json::Value;

use crate::client::{Answer, App, Client, app};

/// What to send to a route so that only authorization decides.
fn request(method: &str, path: &str, app: &App) -> Option<(String, Option<String>)> {
    let body = |body: &str| Some(body.to_owned());
    let (people, acme) = (&app.seed.users, &app.seed.tenants.acme);
    let naming = |id: String| path.replace("{id}", &id);
    Some(match (method, path) {
        ("post", "/v1/auth/login") => (path.into(), body(r#"{"email": "x", "password": "x"}"#)),
        ("get", "/v1/users/{id}") => (naming(people.alice.id.to_string()), None),
        // What he is already.
        ("patch", "/v1/members/{id}") => {
            (naming(people.bob.id.to_string()), Some(format!(r#"{{"role_id": "{}"}}"#, acme.member_role)))
        }
        ("delete", "/v1/members/{id}") => (naming(people.alice.id.to_string()), None),
        ("post", "/v1/tenant/leave") => (path.into(), None),
        ("post", "/v1/roles") => (path.into(), body(r#"{"name": "X"}"#)),
        ("patch", "/v1/roles/{id}") => (naming(acme.admin_role.to_string()), body(r#"{"name": "X"}"#)),
        ("delete", "/v1/roles/{id}") => (naming(acme.admin_role.to_string()), None),
        ("post", "/v1/policies") => {
            (path.into(), body(r#"{"effect": "allow", "resource": "user", "verbs": ["read"]}"#))
        }
        ("patch", "/v1/policies/{id}") => (naming(acme.id.to_string()), body(r#"{"effect": "deny"}"#)),
        ("get" | "delete", "/v1/policies/{id}") => (naming(acme.id.to_string()), None),
        ("post", "/v1/authorization/check") => (path.into(), body(r#"{"questions": [{"permission": "user:read"}]}"#)),
        ("patch", "/v1/me") => (path.into(), body(r#"{"display_name": "X"}"#)),
        ("post", "/v1/tenants") => (path.into(), body(r#"{"name": "X"}"#)),
        ("patch", "/v1/tenant") => (path.into(), body(r#"{"name": "X"}"#)),
        ("post", "/v1/tenant/archive" | "/v1/tenant/restore") => (path.into(), None),
        ("post", "/v1/invitations") => {
            let role = app.seed.tenants.acme.member_role;
            (path.into(), Some(format!(r#"{{"email": "erin@example.com", "role_id": "{role}"}}"#)))
        }
        ("delete", "/v1/invitations/{id}") | ("post", "/v1/invitations/{id}/resend") => {
            (path.replace("{id}", &ACME_INVITATION.to_string()), None)
        }
        ("post", "/v1/invitations/accept") => (path.into(), body(r#"{"token": "x"}"#)),
        // A list, or the one thing of its kind.
        ("get", path) if !path.contains('{') => (path.into(), None),
        _ => return None,
    })
}

/// The invitation that was revoked is there once more.
fn invite_again(app: &App) {
    let (id, acme, alice) = (ACME_INVITATION, app.seed.tenants.acme.id, app.seed.users.alice.id);
    app.sql(&format!(
        "INSERT INTO invitations (tenant_id, id, email, role_id, invited_by, token_hash, expires_at)
         SELECT tenant_id, '{id}', 'dana@example.com', id, '{alice}', sha256('nobody'), now() + interval '1 hour'
         FROM roles WHERE tenant_id = '{acme}' AND name = 'member'
         ON CONFLICT DO NOTHING"
    ));
}

/// Every operation of the document: method, path, and the operation itself.
pub(crate) fn operations(app: &App) -> Vec<(String, String, Value)> {
    let document = app.nobody().get("/openapi.json").json();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push((method.clone(), path.clone(), operation.clone()));
        }
    }
    operations.sort_by(|one, other| (&one.1, &one.0).cmp(&(&other.1, &other.0)));
    operations
}

pub(crate) fn ask(client: &Client, method: &str, path: &str, app: &App) -> Answer {
    let (path, body) = request(method, path, app)
        .unwrap_or_else(|| panic!("{method} {path} is new: say in `request` what to send to it"));
    match body {
        Some(body) => client.with("Content-Type", "application/json").send(&method.to_uppercase(), &path, Some(&body)),
        None => client.send(&method.to_uppercase(), &path, None),
    }
}

fn outcome(answer: &Answer) -> String {
    match answer.status {
        status @ 200..300 => status.to_string(),
        status => format!("{status} {}", answer.problem()),
    }
}

#[rstest]
fn everybody_at_every_route(app: App) {
    let (alice, bob, stranger, nobody) = (app.alice(), app.bob(), app.stranger(), app.nobody());
    let people = [
        ("nobody", nobody.clone()),
        ("nobody, naming acme", nobody.within("acme")),
        ("a stranger", stranger.clone()),
        ("a stranger in acme", stranger.within("acme")),
        ("bob", bob.clone()),
        ("bob in acme", bob.within("acme")),
        ("bob in globex", bob.within("globex")),
        ("bob nowhere", bob.within("nowhere")),
        ("alice in acme", alice.within("acme")),
        ("alice in globex", alice.within("globex")),
    ];
    let come_back = format!(
        "INSERT INTO memberships (tenant_id, user_id, role_id) VALUES ('{}', '{}', '{}') ON CONFLICT DO NOTHING",
        app.seed.tenants.acme.id, app.seed.users.bob.id, app.seed.tenants.acme.member_role,
    );
    let mut table = String::new();
    for (method, path, operation) in operations(&app) {
        let class = operation["x-class"].as_str().expect("every route says its class");
        let permission = operation["x-permission"].as_str().map(|name| format!(" {name}")).unwrap_or_default();
        writeln!(table, "{} {path} ({class}{permission})", method.to_uppercase()).unwrap();
        for (who, client) in &people {
            let answer = ask(client, &method, &path, &app);
            // Or the next ones would meet no tenant, no member or no invitation.
            match (method.as_str(), path.as_str()) {
                ("post", "/v1/tenant/archive") => app.sql("UPDATE tenants SET status = 'active'"),
                ("post", "/v1/tenant/leave") => app.sql(&come_back),
                ("delete", "/v1/invitations/{id}") => invite_again(&app),
                _ => {}
            }
            writeln!(table, "    {who:<20} {}", outcome(&answer)).unwrap();
        }
    }
    snapshot!(table);
}

#[rstest]
fn a_tenant_that_is_not_yours_is_the_same_bytes_as_none(app: App) {
    app.sql(
        "INSERT INTO tenants (id, slug, name, status) VALUES (gen_random_uuid(), 'archived', 'Archived', 'archived');
         UPDATE tenants SET status = 'archived' WHERE slug = 'acme'",
    );
    // Acme is his, but archived, and he isn't one who could restore it.
    let bob = app.bob();
    let globex = app.seed.tenants.globex.id.to_string();
    for (method, path, operation) in operations(&app) {
        if !matches!(operation["x-class"].as_str(), Some("member" | "permission")) {
            continue;
        }
        let nowhere = ask(&bob.within("nowhere"), &method, &path, &app);
        assert_eq!((nowhere.status, nowhere.problem()), (404, "tenant-not-found".into()), "{path}");
        for tenant in
            ["globex", globex.as_str(), "archived", "acme", "no slug!", "", "0190a8a0-0000-7000-8000-000000000000"]
        {
            let answer = ask(&bob.within(tenant), &method, &path, &app);
            assert_eq!((answer.status, &answer.body), (404, &nowhere.body), "{path} in {tenant:?}");
        }
    }
}

#[rstest]
fn bodies_paths_and_queries_are_looked_at_for_nobody_in_particular_never(app: App) {
    let nobody = app.nobody().within("acme");
    let answers = [
        nobody.post("/v1/authorization/check", "no JSON"),
        nobody.post("/v1/authorization/check", &"x".repeat(10_000)),
        nobody.get("/v1/users/no-id"),
        nobody.get("/v1/members?limit=x&cursor=y"),
        nobody.post("/v1/invitations", "no JSON"),
        nobody.post("/v1/invitations/accept", "no JSON"),
        nobody.delete("/v1/invitations/no-id"),
    ];
    for answer in answers {
        assert_eq!((answer.status, answer.problem()), (401, "unauthenticated".into()));
    }
    let bob = app.bob().within("globex");
    assert_eq!(bob.post("/v1/authorization/check", "no JSON").problem(), "tenant-not-found");
    assert_eq!(bob.get("/v1/users/no-id").problem(), "tenant-not-found");
}

#[rstest]
fn a_missing_permission_is_named(app: App) {
    let answer = app.bob().within("acme").get("/v1/subscription").json();
    assert_eq!((answer["status"].as_u64(), answer["permission"].as_str()), (Some(403), Some("billing:read")));
}

#[rstest]
fn a_header_that_stands_twice_is_not_a_choice(app: App) {
    // Two tenants: which one was meant is nobody's guess.
    let mut stream = std::net::TcpStream::connect(app.addr).unwrap();
    let token = {
        let login = app.nobody().post("/v1/auth/login", r#"{"email": "bob@example.com", "password": "tenantry-demo"}"#);
        login.json()["access_token"].as_str().unwrap().to_owned()
    };
    let request = format!(
        "GET /v1/members HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         X-Tenant-Id: acme\r\nX-Tenant-Id: globex\r\n\r\n"
    );
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let answer = std::io::read_to_string(stream).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("tenant-not-found"), "{answer}");
}
