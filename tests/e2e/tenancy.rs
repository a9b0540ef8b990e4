//! Tenancy modes: how each one selects the tenant of a request, and that each one checks membership.

use kernel::{TenancyMode, TenantSources};
use serde_json::{Value, json};

use crate::{
    client::{Client, Response, TestApp, transcript},
    process::{RunningServer, assert_failure, assert_success, run, work_dir},
    tenants::{archive, restore},
};

fn organization_app(sources: &str) -> TestApp {
    let base = sources.contains("subdomain").then(|| "example.com".parse().unwrap());
    TestApp::with_tenancy(TenancyMode::Organization(TenantSources::parse(sources, base).unwrap()))
}

fn single_app(slug: &str) -> TestApp {
    TestApp::with_tenancy(TenancyMode::Single(slug.parse().unwrap()))
}

fn with_host(client: &Client, host: &str) -> Client {
    client.with_header("Host", host)
}

fn login(app: &TestApp, email: &str, tenant: &Value) -> Response {
    app.anonymous().post("/v1/auth/login", json!({"email": email, "password": seeds::PASSWORD, "tenant": tenant}))
}

/// Signs in and returns a client whose token carries the tenant claim.
fn sign_in_to(app: &TestApp, email: &str, tenant: &str) -> Client {
    app.anonymous().with_token(&login(app, email, &json!(tenant)).access_token())
}

/// Returns the slug of the tenant that requests of the client act in, or the problem type.
fn current_tenant(client: &Client) -> String {
    let response = client.get("/v1/tenant");
    match response.status {
        200 => response.json()["slug"].as_str().unwrap().to_owned(),
        _ => response.problem(),
    }
}

fn assert_same_404(one: &Response, other: &Response) {
    assert_eq!(one.outcome(), "404 tenant-not-found", "{one}");
    assert_eq!((other.status, &other.body), (404, &one.body), "{other}");
}

/// Returns the parameters that the OpenAPI document lists for a tenant route: the name, and whether it is required.
fn parameters(app: &TestApp) -> Vec<(String, bool)> {
    let document = app.anonymous().get("/openapi.json").json();
    let parameters = document["paths"]["/v1/tenant"]["get"]["parameters"].as_array().cloned().unwrap_or_default();
    let name_and_required = |parameter: &Value| {
        (parameter["name"].as_str().unwrap().to_owned(), parameter["required"].as_bool().unwrap_or(false))
    };
    parameters.iter().map(name_and_required).collect()
}

fn login_accepts_tenant(app: &TestApp) -> bool {
    let document = app.anonymous().get("/openapi.json").json();
    !document["components"]["schemas"]["SignInRequest"]["properties"]["tenant"].is_null()
}

#[test]
fn tenant_from_subdomain() {
    let app = organization_app("subdomain");
    let alice = app.alice();
    for (host, tenant) in [
        ("acme.example.com", "acme"),
        ("Globex.EXAMPLE.com:8080", "globex"),
        ("nowhere.example.com", "tenant-not-found"),
        ("a.acme.example.com", "tenant-not-found"),
        ("ab.example.com", "tenant-not-found"),
        ("example.com", "tenant-required"),
        ("www.example.com", "tenant-required"),
        ("acme.example.org", "tenant-required"),
    ] {
        assert_eq!(current_tenant(&with_host(&alice, host)), tenant, "{host}");
    }
    // Forwarded hosts aren't trusted.
    for forwarded in ["X-Forwarded-Host", "Forwarded"] {
        let value = if forwarded == "Forwarded" { "host=globex.example.com" } else { "globex.example.com" };
        assert_eq!(current_tenant(&with_host(&alice, "acme.example.com").with_header(forwarded, value)), "acme");
    }
    assert_eq!(with_host(&app.anonymous(), "example.com").get("/v1/tenant").problem(), "unauthenticated");
    assert_eq!(with_host(&app.anonymous(), "a.acme.example.com").get("/v1/tenant").problem(), "unauthenticated");
    assert_eq!((parameters(&app), login_accepts_tenant(&app)), (vec![], false));
}

#[test]
fn unknown_and_forbidden_hosts_are_indistinguishable() {
    let app = organization_app("subdomain");
    for client in [app.carol(), app.bob()] {
        for path in ["/v1/tenant", "/v1/members"] {
            let unknown = with_host(&client, "nowhere.example.com").get(path);
            assert_same_404(&unknown, &with_host(&client, "globex.example.com").get(path));
            assert_same_404(&unknown, &with_host(&client, "a.b.example.com").get(path));
        }
    }
}

#[test]
fn duplicate_host_is_rejected() {
    let app = organization_app("subdomain");
    let token = app.access_token("alice@example.com");
    let send = |target: &str, hosts: &[&str]| {
        let hosts: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
        app.send_raw(&format!(
            "GET {target} HTTP/1.1\r\n{hosts}Connection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
        ))
    };
    let twice = send("/v1/tenant", &["acme.example.com", "globex.example.com"]);
    // RFC 9112, section 3.2, requires status 400.
    assert!(twice.starts_with("HTTP/1.1 400") && !twice.contains("acme"), "{twice}");
    let once = send("/v1/tenant", &["acme.example.com"]);
    assert!(once.starts_with("HTTP/1.1 200") && once.contains("Acme Corp"), "{once}");
    // An absolute request target overrides the Host header (RFC 9112, section 3.2.2).
    let absolute = send("http://acme.example.com/v1/tenant", &["globex.example.com"]);
    assert!(absolute.starts_with("HTTP/1.1 200") && absolute.contains("Acme Corp"), "{absolute}");
}

/// No other source is asked, and it doesn't matter whether the caller is signed in.
#[test]
fn invalid_host_is_rejected_before_tenant_sources() {
    let app = organization_app("subdomain,header,claim");
    let alice = sign_in_to(&app, "alice@example.com", "acme").in_tenant("acme");
    assert_eq!(current_tenant(&with_host(&alice, "example.com")), "acme");
    for host in ["me@acme.example.com", "acme..example.com", ".example.com", "acme.example.com:x", "acme!.example.com"]
    {
        for client in [&alice, &app.anonymous()] {
            assert_eq!(current_tenant(&with_host(client, host)), "malformed-request", "{host}");
        }
    }
}

#[test]
fn tenant_from_token_claim() {
    let app = organization_app("claim");
    assert_eq!(current_tenant(&sign_in_to(&app, "alice@example.com", "acme")), "acme");
    assert_eq!(current_tenant(&sign_in_to(&app, "alice@example.com", "GLOBEX")), "globex");
    assert_eq!(current_tenant(&sign_in_to(&app, "alice@example.com", &app.seed.tenants.acme.id.to_string())), "acme");
    assert_eq!(app.alice().get("/v1/tenant").problem(), "tenant-required");
    assert_eq!((parameters(&app), login_accepts_tenant(&app)), (vec![], true));
}

#[test]
fn sign_in_does_not_leak_tenants() {
    let app = organization_app("claim");
    app.carol();
    for (email, other_tenant) in [("carol@example.com", "acme"), ("bob@example.com", "globex")] {
        // Sign-in accepts any tenant. Requests then fail in the same way for each.
        let unknown = sign_in_to(&app, email, "nowhere").get("/v1/members");
        for tenant in [other_tenant, "019a0000-0000-7000-8000-00000000ffff", &app.seed.tenants.globex.id.to_string()] {
            assert_same_404(&unknown, &sign_in_to(&app, email, tenant).get("/v1/members"));
        }
    }
}

#[test]
fn claim_requires_current_membership() {
    let app = organization_app("claim");
    let bob = sign_in_to(&app, "bob@example.com", "acme");
    assert_eq!(bob.get("/v1/members").status, 200);
    app.sql(
        "DELETE FROM memberships USING users
         WHERE memberships.user_id = users.id AND users.email = 'bob@example.com'",
    );
    assert_same_404(&sign_in_to(&app, "bob@example.com", "nowhere").get("/v1/members"), &bob.get("/v1/members"));
}

#[test]
fn sign_in_rejects_invalid_or_unused_tenant() {
    let (by_claim, by_header) = (organization_app("header,claim"), organization_app("header"));
    for tenant in [json!("www"), json!("no slug"), json!(""), json!(null), json!(7)] {
        login(&by_claim, "alice@example.com", &tenant).assert_invalid_body("/tenant", &tenant);
    }
    // The result is the same for known and unknown accounts.
    let known = login(&by_header, "alice@example.com", &json!("acme"));
    let unknown = login(&by_header, "nobody@example.com", &json!("acme"));
    assert_eq!((known.status, &known.body), (unknown.status, &unknown.body));
    snapshot!(transcript([
        ("claim is a source: invalid tenant", login(&by_claim, "alice@example.com", &json!("hunter 2"))),
        ("claim is no source", known),
    ]));
}

#[test]
fn first_source_wins() {
    let app = organization_app("header,subdomain,claim");
    let alice = sign_in_to(&app, "alice@example.com", "globex");
    assert_eq!(current_tenant(&alice), "globex");
    assert_eq!(current_tenant(&with_host(&alice, "acme.example.com")), "acme");
    assert_eq!(current_tenant(&with_host(&alice, "acme.example.com").in_tenant("globex")), "globex");
    assert_eq!(current_tenant(&with_host(&alice, "acme.example.com").in_tenant("nowhere")), "tenant-not-found");
    assert_eq!(parameters(&app), [("X-Tenant-Id".to_owned(), false)]);

    let app = organization_app("claim,header");
    let alice = sign_in_to(&app, "alice@example.com", "globex");
    assert_eq!(current_tenant(&alice.in_tenant("acme")), "globex");
    assert_eq!(current_tenant(&app.alice().in_tenant("acme")), "acme");

    // If access is denied for the selected tenant, later sources aren't tried.
    let bob = sign_in_to(&app, "bob@example.com", "globex");
    assert_eq!(bob.in_tenant("acme").get("/v1/members").problem(), "tenant-not-found");
}

#[test]
fn each_user_has_one_personal_tenant() {
    let app = TestApp::with_tenancy(TenancyMode::Personal);
    let (alice, bob) = (app.alice(), app.bob());
    // Alice is an admin of two organizations, but has no personal tenant.
    let missing = alice.get("/v1/tenant");
    assert_same_404(&app.carol().get("/v1/tenant"), &missing);
    let created = alice.post("/v1/tenants", r#"{"name": "Alice's"}"#);
    assert_eq!((created.status, current_tenant(&alice)), (201, "alice-s".into()));
    assert_eq!(alice.get("/v1/tenant").json(), created.json());
    assert_eq!(alice.get("/v1/members").json()["members"].as_array().unwrap().len(), 1);
    let second = alice.post("/v1/tenants", r#"{"name": "Another"}"#);
    assert_eq!(alice.post("/v1/tenants", r#"{"name": "X", "slug": "alice-s"}"#).body, second.body);

    // Alice's personal tenant isn't Bob's.
    assert_eq!(current_tenant(&bob), "tenant-not-found");
    assert_eq!(bob.post("/v1/tenants", r#"{"name": "Bob's", "slug": "alice-s"}"#).problem(), "slug-taken");
    assert_eq!(bob.post("/v1/tenants", r#"{"name": "Bob's"}"#).status, 201);
    assert_eq!((current_tenant(&bob), current_tenant(&alice)), ("bob-s".into(), "alice-s".into()));

    assert_eq!(alice.patch("/v1/tenant", r#"{"slug": "wonderland"}"#).status, 200);
    assert_eq!(current_tenant(&alice), "wonderland");
    assert_eq!(archive(&alice).status, 204);
    assert_same_404(&missing, &alice.get("/v1/tenant"));
    assert_eq!(alice.post("/v1/tenants", r#"{"name": "Another"}"#).problem(), "personal-tenant-exists");
    assert_eq!(restore(&alice).status, 204);
    assert_eq!(current_tenant(&alice), "wonderland");

    assert_eq!((parameters(&app), login_accepts_tenant(&app)), (vec![], false));
    snapshot!(transcript([
        ("GET /v1/tenant, without a tenant", missing),
        ("POST /v1/tenants, again", second),
        ("GET /v1/tenant, with X-Tenant-Id", alice.in_tenant("wonderland").get("/v1/tenant")),
    ]));
}

#[test]
fn personal_tenant_requires_membership() {
    let app = TestApp::with_tenancy(TenancyMode::Personal);
    let alice = app.alice();
    let missing = alice.get("/v1/tenant");
    assert_eq!(alice.post("/v1/tenants", r#"{"name": "Alice's", "slug": "alices"}"#).status, 201);
    app.sql(
        "DELETE FROM memberships USING tenants WHERE memberships.tenant_id = tenants.id AND tenants.slug = 'alices'",
    );
    assert_same_404(&missing, &alice.get("/v1/tenant"));
    assert_same_404(&missing, &restore(&alice));
}

#[test]
fn single_mode_uses_the_tenant() {
    let app = single_app("acme");
    let (alice, bob) = (app.alice(), app.bob());
    assert_eq!((current_tenant(&alice), bob.get("/v1/members").status), ("acme".into(), 200));
    assert_eq!(bob.get("/v1/subscription").problem(), "permission-missing");
    assert_eq!(app.anonymous().get("/v1/members").problem(), "unauthenticated");
    let rejected = alice.patch("/v1/tenant", r#"{"name": "Another", "slug": "another"}"#);
    assert_eq!(alice.get("/v1/tenant").json()["name"], "Acme Corp");
    let created = alice.post("/v1/tenants", r#"{"name": "Another"}"#);
    assert_eq!(app.carol().post("/v1/tenants", r#"{"name": "X", "slug": "acme"}"#).body, created.body);

    assert_eq!(archive(&alice).status, 204);
    assert_same_404(&bob.get("/v1/tenant"), &alice.get("/v1/tenant"));
    assert_eq!(restore(&alice).status, 204);
    assert_eq!(current_tenant(&alice), "acme");

    assert_eq!((parameters(&app), login_accepts_tenant(&app)), (vec![], false));
    snapshot!(transcript([
        ("PATCH /v1/tenant, with another slug", rejected),
        ("POST /v1/tenants", created),
        ("GET /v1/tenant, with X-Tenant-Id", alice.in_tenant("acme").get("/v1/tenant")),
    ]));
}

#[test]
fn single_mode_hides_tenant_from_non_members() {
    let (globex, unknown) = (single_app("globex"), single_app("nowhere"));
    for path in ["/v1/tenant", "/v1/members", "/v1/subscription"] {
        let missing = unknown.alice().get(path);
        assert_same_404(&missing, &globex.carol().get(path));
        assert_same_404(&missing, &globex.bob().get(path));
    }
}

#[test]
fn tenant_header_is_rejected_unless_a_source() {
    let subdomain = organization_app("subdomain");
    for app in [&subdomain, &TestApp::with_tenancy(TenancyMode::Personal), &single_app("acme")] {
        let alice = with_host(&app.alice(), "acme.example.com");
        for tenant in ["acme", "globex", "nowhere", "no slug", ""] {
            for response in [alice.in_tenant(tenant).get("/v1/tenant"), restore(&alice.in_tenant(tenant))] {
                assert_eq!(response.outcome(), "400 tenant-header-not-allowed");
            }
        }
        assert_eq!(app.anonymous().in_tenant("acme").get("/v1/tenant").problem(), "unauthenticated");
        // Routes without a tenant ignore the header.
        assert_eq!(app.alice().in_tenant("acme").get("/v1/me").status, 200);
    }
}

#[test]
fn error_texts_match_tenancy_mode() {
    let by_host = organization_app("subdomain,claim");
    let responses = [
        ("subdomain,claim: no tenant", by_host.alice().get("/v1/tenant")),
        ("subdomain,claim: tenant header", by_host.alice().in_tenant("acme").get("/v1/tenant")),
    ];
    let descriptions =
        [organization_app("header,subdomain,claim"), TestApp::with_tenancy(TenancyMode::Personal), single_app("acme")]
            .map(|app| app.anonymous().get("/openapi.json").json()["info"]["description"].as_str().unwrap().to_owned());
    snapshot!(format!("{}{}", transcript(responses), descriptions.join("\n\n")));
}

#[test]
fn startup_asks_operator_to_create_single_tenant() {
    let work_dir = work_dir();
    let settings = [("TENANCY_MODE", "single"), ("TENANT_SLUG", "initech")];
    let hint = "tenantry tenants create --slug initech";
    let output = RunningServer::start(work_dir.path(), &settings).interrupt();
    assert!(output.contains(hint), "{output}");

    let create = |slug: &str, name: &str, admin: &str| {
        let arguments = ["tenants", "create", "--slug", slug, "--name", name, "--admin", admin];
        run(work_dir.path(), &settings, &arguments)
    };
    for (slug, name, admin, expected) in [
        ("initech", "Initech", "nobody@example.com", "no active user has this e-mail address"),
        ("globex", "Initech", "bob@example.com", "named by TENANT_SLUG; pass --slug initech"),
        ("www", "Initech", "bob@example.com", "--slug"),
        ("initech", "", "bob@example.com", "--name"),
        ("initech", "Initech", "bob", "--admin"),
    ] {
        assert_failure(&create(slug, name, admin), expected);
    }
    let message = assert_success(&create("initech", "Initech", "Bob@example.com"));
    assert!(
        message.starts_with("created initech (") && message.contains("with bob@example.com as its admin"),
        "{message}"
    );
    assert_failure(&create("initech", "Initech", "alice@example.com"), "this slug is already in use");

    let server = RunningServer::start(work_dir.path(), &settings);
    assert_eq!(server.client().get("/v1/tenant").status, 401);
    let output = server.interrupt();
    assert!(!output.contains(hint), "{output}");
}
