//! Sends a request to every route of the OpenAPI document as ten kinds of callers. They differ in the user (anonymous,
//! non-member, member, admin) and in the tenant (none, their own, another, unknown). A snapshot shows all outcomes.

use std::fmt::Write;

use authorization::seed::ACME_INVITATION;
use rstest::rstest;
use serde_json::Value;

use crate::client::{Client, Response, TestApp, app};

/// Returns the path and body of a request whose outcome depends on authorization alone. `None`: the route is unknown.
fn sample_request(method: &str, path: &str, app: &TestApp) -> Option<(String, Option<String>)> {
    let body = |body: &str| Some(body.to_owned());
    let (users, acme) = (&app.seed.users, &app.seed.tenants.acme);
    let with_id = |id: String| path.replace("{id}", &id);
    Some(match (method, path) {
        ("post", "/v1/auth/login") => (path.into(), body(r#"{"email": "x", "password": "x"}"#)),
        ("get", "/v1/members/{id}") => (with_id(users.alice.id.to_string()), None),
        // Bob's current role.
        ("patch", "/v1/members/{id}") => {
            (with_id(users.bob.id.to_string()), Some(format!(r#"{{"role_id": "{}"}}"#, acme.member_role)))
        }
        ("delete", "/v1/members/{id}") => (with_id(users.alice.id.to_string()), None),
        ("post", "/v1/tenant/leave") => (path.into(), None),
        ("post", "/v1/roles") => (path.into(), body(r#"{"name": "X"}"#)),
        ("patch", "/v1/roles/{id}") => (with_id(acme.admin_role.to_string()), body(r#"{"name": "X"}"#)),
        ("delete", "/v1/roles/{id}") => (with_id(acme.admin_role.to_string()), None),
        ("post", "/v1/policies") => {
            (path.into(), body(r#"{"effect": "allow", "resource": "user", "verbs": ["read"]}"#))
        }
        ("patch", "/v1/policies/{id}") => (with_id(acme.id.to_string()), body(r#"{"effect": "deny"}"#)),
        ("get" | "delete", "/v1/policies/{id}") => (with_id(acme.id.to_string()), None),
        ("post", "/v1/authorization/check") => (path.into(), body(r#"{"checks": [{"permission": "user:read"}]}"#)),
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
        // Lists and singletons.
        ("get", path) if !path.contains('{') => (path.into(), None),
        _ => return None,
    })
}

/// Inserts the invitation again after it was revoked.
fn restore_invitation(app: &TestApp) {
    let (id, acme, alice) = (ACME_INVITATION, app.seed.tenants.acme.id, app.seed.users.alice.id);
    app.sql(&format!(
        "INSERT INTO invitations (tenant_id, id, email, role_id, invited_by, token_hash, expires_at)
         SELECT tenant_id, '{id}', 'dana@example.com', id, '{alice}', sha256('unknown'), now() + interval '1 hour'
         FROM roles WHERE tenant_id = '{acme}' AND name = 'member'
         ON CONFLICT DO NOTHING"
    ));
}

/// Returns every operation of the OpenAPI document: method, path and operation object.
pub(crate) fn operations(app: &TestApp) -> Vec<(String, String, Value)> {
    let document = app.anonymous().get("/openapi.json").json();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push((method.clone(), path.clone(), operation.clone()));
        }
    }
    operations.sort_by(|one, other| (&one.1, &one.0).cmp(&(&other.1, &other.0)));
    operations
}

pub(crate) fn send_sample(client: &Client, method: &str, path: &str, app: &TestApp) -> Response {
    let (path, body) = sample_request(method, path, app)
        .unwrap_or_else(|| panic!("{method} {path} is unknown: add a request to `sample_request`"));
    client.send_json(&method.to_uppercase(), &path, body.as_deref())
}

fn outcome(response: &Response) -> String {
    match response.status {
        status @ 200..300 => status.to_string(),
        status => format!("{status} {}", response.problem()),
    }
}

#[rstest]
fn route_authorization_matrix(app: TestApp) {
    let (alice, bob, carol, anonymous) = (app.alice(), app.bob(), app.carol(), app.anonymous());
    let callers = [
        ("anonymous", anonymous.clone()),
        ("anonymous in acme", anonymous.in_tenant("acme")),
        ("non-member", carol.clone()),
        ("non-member in acme", carol.in_tenant("acme")),
        ("bob", bob.clone()),
        ("bob in acme", bob.in_tenant("acme")),
        ("bob in globex", bob.in_tenant("globex")),
        ("bob in unknown", bob.in_tenant("nowhere")),
        ("alice in acme", alice.in_tenant("acme")),
        ("alice in globex", alice.in_tenant("globex")),
    ];
    let rejoin = format!(
        "INSERT INTO memberships (tenant_id, user_id, role_id) VALUES ('{}', '{}', '{}') ON CONFLICT DO NOTHING",
        app.seed.tenants.acme.id, app.seed.users.bob.id, app.seed.tenants.acme.member_role,
    );
    let mut table = String::new();
    for (method, path, operation) in operations(&app) {
        let class = operation["x-access-class"].as_str().expect("the operation has no x-access-class");
        let permission = operation["x-permission"].as_str().map(|name| format!(" {name}")).unwrap_or_default();
        writeln!(table, "{} {path} ({class}{permission})", method.to_uppercase()).unwrap();
        for (caller, client) in &callers {
            let response = send_sample(client, &method, &path, &app);
            // Restores what the request has removed, for the callers that follow.
            match (method.as_str(), path.as_str()) {
                ("post", "/v1/tenant/archive") => app.sql("UPDATE tenants SET status = 'active'"),
                ("post", "/v1/tenant/leave") => app.sql(&rejoin),
                ("delete", "/v1/invitations/{id}") => restore_invitation(&app),
                _ => {}
            }
            writeln!(table, "    {caller:<20} {}", outcome(&response)).unwrap();
        }
    }
    snapshot!(table);
}

#[rstest]
fn inaccessible_tenant_is_indistinguishable_from_missing(app: TestApp) {
    app.sql(
        "INSERT INTO tenants (id, slug, name, status) VALUES (gen_random_uuid(), 'archived', 'Archived', 'archived');
         UPDATE tenants SET status = 'archived' WHERE slug = 'acme'",
    );
    // Bob is a member of Acme, which is archived, but he may not restore it.
    let bob = app.bob();
    let globex = app.seed.tenants.globex.id.to_string();
    for (method, path, operation) in operations(&app) {
        if !matches!(operation["x-access-class"].as_str(), Some("member" | "permission")) {
            continue;
        }
        let unknown = send_sample(&bob.in_tenant("nowhere"), &method, &path, &app);
        assert_eq!((unknown.status, unknown.problem()), (404, "tenant-not-found".into()), "{path}");
        for tenant in
            ["globex", globex.as_str(), "archived", "acme", "not a slug!", "", "0190a8a0-0000-7000-8000-000000000000"]
        {
            let response = send_sample(&bob.in_tenant(tenant), &method, &path, &app);
            assert_eq!((response.status, &response.body), (404, &unknown.body), "{path} in {tenant:?}");
        }
    }
}

#[rstest]
fn input_is_not_parsed_before_authorization(app: TestApp) {
    let anonymous = app.anonymous().in_tenant("acme");
    let responses = [
        anonymous.post("/v1/authorization/check", "not JSON"),
        anonymous.post("/v1/authorization/check", &"x".repeat(10_000)),
        anonymous.get("/v1/members/not-an-id"),
        anonymous.get("/v1/members?limit=x&cursor=y"),
        anonymous.post("/v1/invitations", "not JSON"),
        anonymous.post("/v1/invitations/accept", "not JSON"),
        anonymous.delete("/v1/invitations/not-an-id"),
    ];
    for response in responses {
        assert_eq!((response.status, response.problem()), (401, "unauthenticated".into()));
    }
    let bob = app.bob().in_tenant("globex");
    assert_eq!(bob.post("/v1/authorization/check", "not JSON").problem(), "tenant-not-found");
    assert_eq!(bob.get("/v1/members/not-an-id").problem(), "tenant-not-found");
}

#[rstest]
fn forbidden_names_missing_permission(app: TestApp) {
    let response = app.bob().in_tenant("acme").get("/v1/subscription").json();
    assert_eq!((response["status"].as_u64(), response["permission"].as_str()), (Some(403), Some("billing:read")));
}

#[rstest]
fn duplicate_header_is_rejected(app: TestApp) {
    let token = app.access_token("bob@example.com");
    let response = app.send_raw(&format!(
        "GET /v1/members HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         X-Tenant-Id: acme\r\nX-Tenant-Id: globex\r\n\r\n"
    ));
    assert!(response.starts_with("HTTP/1.1 404") && response.contains("tenant-not-found"), "{response}");
}
