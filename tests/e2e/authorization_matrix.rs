//! Sends a request to every route of the OpenAPI document for ten combinations of user (anonymous, non-member, member,
//! admin) and tenant (none, their own, another, unknown). A snapshot shows all outcomes.

use std::fmt::Write;

use rstest::rstest;

use crate::{
    client::{TestApp, app},
    sample_requests::routes,
};

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
    // Undoes what a request has removed, for the callers that follow.
    let restore = format!(
        "UPDATE tenants SET status = 'active';
         INSERT INTO memberships (tenant_id, user_id, role_id) VALUES ('{}', '{}', '{}') ON CONFLICT DO NOTHING",
        app.seed.tenants.acme.id, app.seed.users.bob.id, app.seed.tenants.acme.member_role,
    );
    let mut table = String::new();
    for route in routes(&app) {
        let permission = route.permission.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        writeln!(table, "{} ({}{permission})", route.name(), route.class).unwrap();
        let sample = route.sample(&alice.in_tenant("acme"));
        for (caller, client) in &callers {
            let response = sample.send(client);
            if *caller == "alice in acme" {
                assert!(!matches!(response.status, 400 | 413 | 415 | 422), "{} has invalid examples", route.name());
            }
            if route.method != "GET" && response.status < 300 {
                app.sql(&restore);
            }
            writeln!(table, "    {caller:<20} {}", response.outcome()).unwrap();
        }
    }
    snapshot!(
        "Who may call each route. If an access type, a permission or a check was weakened by accident, restore it. \
         Otherwise accept the change with INSTA_UPDATE=always cargo test -p tenantry --test e2e.",
        table
    );
}

#[rstest]
fn inaccessible_tenant_is_indistinguishable_from_missing(app: TestApp) {
    let admin = app.alice().in_tenant("acme");
    let routes = routes(&app).into_iter().filter(|route| matches!(route.class.as_str(), "member" | "permission"));
    let samples: Vec<_> = routes.map(|route| (route.sample(&admin), route.path)).collect();
    app.sql(
        "INSERT INTO tenants (id, slug, name, status) VALUES (gen_random_uuid(), 'archived', 'Archived', 'archived');
         UPDATE tenants SET status = 'archived' WHERE slug = 'acme'",
    );
    // Bob is a member of Acme, which is archived, but he may not restore it.
    let bob = app.bob();
    let globex = app.seed.tenants.globex.id.to_string();
    for (sample, path) in samples {
        let unknown = sample.send(&bob.in_tenant("nowhere"));
        assert_eq!(unknown.outcome(), "404 tenant-not-found", "{path}");
        for tenant in
            ["globex", globex.as_str(), "archived", "acme", "not a slug!", "", "0190a8a0-0000-7000-8000-000000000000"]
        {
            let response = sample.send(&bob.in_tenant(tenant));
            assert_eq!((response.status, &response.body), (404, &unknown.body), "{path} in {tenant:?}");
        }
    }
}

#[rstest]
fn input_is_not_parsed_before_authorization(app: TestApp) {
    let anonymous = app.anonymous().in_tenant("acme");
    let responses = [
        anonymous.post("/v1/authorization/check", "not JSON"),
        anonymous.post("/v1/authorization/check", "x".repeat(10_000)),
        anonymous.get("/v1/members/not-an-id"),
        anonymous.get("/v1/members?limit=x&cursor=y"),
        anonymous.post("/v1/invitations", "not JSON"),
        anonymous.post("/v1/invitations/accept", "not JSON"),
        anonymous.delete("/v1/invitations/not-an-id"),
    ];
    for response in responses {
        assert_eq!(response.outcome(), "401 unauthenticated");
    }
    let bob = app.bob().in_tenant("globex");
    assert_eq!(bob.post("/v1/authorization/check", "not JSON").problem(), "tenant-not-found");
    assert_eq!(bob.get("/v1/members/not-an-id").problem(), "tenant-not-found");
}

#[rstest]
fn forbidden_response_names_missing_permission(app: TestApp) {
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
