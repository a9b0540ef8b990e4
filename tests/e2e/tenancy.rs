//! The tenancy modes: which tenant a request acts in, and that membership is asked for in each.

use std::io::{Read, Write};

use kernel::contracts::{Tenancy, TenantSources};
use serde_json::{Value, json};

use crate::{
    client::{Answer, App, Client, transcript},
    program::{Serving, folder, run, stderr},
};

fn organization(sources: &str) -> App {
    let base = sources.contains("subdomain").then(|| "example.com".parse().unwrap());
    App::with(Tenancy::Organization(TenantSources::parse(sources, base).unwrap()))
}

fn single(slug: &str) -> App {
    App::with(Tenancy::Single(slug.parse().unwrap()))
}

/// Somebody at the host.
fn at(client: &Client, host: &str) -> Client {
    client.with("Host", host)
}

fn login(app: &App, email: &str, tenant: &Value) -> Answer {
    let body = json!({"email": email, "password": seeds::PASSWORD, "tenant": tenant});
    app.nobody().post("/v1/auth/login", &body.to_string())
}

/// Somebody whose token names the tenant.
fn claiming(app: &App, email: &str, tenant: &str) -> Client {
    let answer = login(app, email, &json!(tenant));
    assert_eq!(answer.status, 200, "{answer}");
    app.nobody().with_token(answer.json()["access_token"].as_str().unwrap())
}

/// In which tenant this is, by its slug, or the problem.
fn tenant_of(client: &Client) -> String {
    let answer = client.get("/v1/tenant");
    match answer.status {
        200 => answer.json()["slug"].as_str().unwrap().to_owned(),
        _ => answer.problem(),
    }
}

fn assert_same_404(one: &Answer, other: &Answer) {
    assert_eq!((one.status, one.problem()), (404, "tenant-not-found".into()), "{one}");
    assert_eq!((other.status, &other.body), (404, &one.body), "{other}");
}

/// The document's parameters of a route that acts in a tenant, by name and whether they are required.
fn parameters(app: &App) -> Vec<(String, bool)> {
    let document = app.nobody().get("/openapi.json").json();
    let parameters = document["paths"]["/v1/tenant"]["get"]["parameters"].as_array().cloned().unwrap_or_default();
    let shown = |parameter: &Value| {
        (parameter["name"].as_str().unwrap().to_owned(), parameter["required"].as_bool().unwrap_or(false))
    };
    parameters.iter().map(shown).collect()
}

fn login_takes_a_tenant(app: &App) -> bool {
    let document = app.nobody().get("/openapi.json").json();
    !document["components"]["schemas"]["LoginRequest"]["properties"]["tenant"].is_null()
}

#[test]
fn a_subdomain_names_the_tenant() {
    let app = organization("subdomain");
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
        assert_eq!(tenant_of(&at(&alice, host)), tenant, "{host}");
    }
    // Nobody's word on the host is believed.
    for forwarded in ["X-Forwarded-Host", "Forwarded"] {
        let value = if forwarded == "Forwarded" { "host=globex.example.com" } else { "globex.example.com" };
        assert_eq!(tenant_of(&at(&alice, "acme.example.com").with(forwarded, value)), "acme");
    }
    assert_eq!(at(&app.nobody(), "example.com").get("/v1/tenant").problem(), "unauthenticated");
    assert_eq!(at(&app.nobody(), "a.acme.example.com").get("/v1/tenant").problem(), "unauthenticated");
    assert_eq!((parameters(&app), login_takes_a_tenant(&app)), (vec![], false));
}

#[test]
fn a_stranger_at_a_tenants_host_is_told_as_much_as_at_nobodys() {
    let app = organization("subdomain");
    for client in [app.stranger(), app.bob()] {
        for path in ["/v1/tenant", "/v1/members"] {
            let nowhere = at(&client, "nowhere.example.com").get(path);
            assert_same_404(&nowhere, &at(&client, "globex.example.com").get(path));
            assert_same_404(&nowhere, &at(&client, "a.b.example.com").get(path));
        }
    }
}

#[test]
fn a_host_that_stands_twice_is_not_a_choice() {
    let app = organization("subdomain");
    let login = app.nobody().post("/v1/auth/login", r#"{"email": "alice@example.com", "password": "tenantry-demo"}"#);
    let token = login.json()["access_token"].as_str().unwrap().to_owned();
    let send = |target: &str, hosts: &[&str]| {
        let hosts: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
        let request =
            format!("GET {target} HTTP/1.1\r\n{hosts}Connection: close\r\nAuthorization: Bearer {token}\r\n\r\n");
        let mut stream = std::net::TcpStream::connect(app.addr).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let twice = send("/v1/tenant", &["acme.example.com", "globex.example.com"]);
    // HTTP/1.1 has its own answer to that (RFC 9112, section 3.2).
    assert!(twice.starts_with("HTTP/1.1 400") && !twice.contains("acme"), "{twice}");
    let once = send("/v1/tenant", &["acme.example.com"]);
    assert!(once.starts_with("HTTP/1.1 200") && once.contains("Acme Corp"), "{once}");
    // A target that names the host outdoes the header (RFC 9112, section 3.2.2).
    let absolute = send("http://acme.example.com/v1/tenant", &["globex.example.com"]);
    assert!(absolute.starts_with("HTTP/1.1 200") && absolute.contains("Acme Corp"), "{absolute}");
}

#[test]
fn a_claim_of_the_token_names_the_tenant() {
    let app = organization("claim");
    assert_eq!(tenant_of(&claiming(&app, "alice@example.com", "acme")), "acme");
    assert_eq!(tenant_of(&claiming(&app, "alice@example.com", "GLOBEX")), "globex");
    assert_eq!(tenant_of(&claiming(&app, "alice@example.com", &app.seed.tenants.acme.id.to_string())), "acme");
    assert_eq!(app.alice().get("/v1/tenant").problem(), "tenant-required");
    assert_eq!((parameters(&app), login_takes_a_tenant(&app)), (vec![], true));
}

#[test]
fn signing_in_tells_nobody_which_tenants_there_are() {
    let app = organization("claim");
    app.stranger();
    for (email, theirs) in [("carol@example.com", "acme"), ("bob@example.com", "globex")] {
        // Any of them is taken, and lets nobody in.
        let nowhere = claiming(&app, email, "nowhere").get("/v1/members");
        for tenant in [theirs, "019a0000-0000-7000-8000-00000000ffff", &app.seed.tenants.globex.id.to_string()] {
            assert_same_404(&nowhere, &claiming(&app, email, tenant).get("/v1/members"));
        }
    }
}

#[test]
fn a_claim_lets_nobody_in_who_is_no_longer_a_member() {
    let app = organization("claim");
    let bob = claiming(&app, "bob@example.com", "acme");
    assert_eq!(bob.get("/v1/members").status, 200);
    app.sql(
        "DELETE FROM memberships USING users
         WHERE memberships.user_id = users.id AND users.email = 'bob@example.com'",
    );
    assert_same_404(&claiming(&app, "bob@example.com", "nowhere").get("/v1/members"), &bob.get("/v1/members"));
}

#[test]
fn a_tenant_that_is_none_or_that_no_request_would_read_is_refused_when_signing_in() {
    let (by_claim, by_header) = (organization("header,claim"), organization("header"));
    for tenant in [json!("www"), json!("no slug"), json!(""), json!(null), json!(7)] {
        let answer = login(&by_claim, "alice@example.com", &tenant);
        assert_eq!((answer.status, answer.problem()), (422, "invalid-body".into()), "{tenant}: {answer}");
        assert_eq!(answer.json()["errors"][0]["pointer"], "/tenant");
    }
    // Whether the password is right makes no difference.
    let known = login(&by_header, "alice@example.com", &json!("acme"));
    let unknown = login(&by_header, "nobody@example.com", &json!("acme"));
    assert_eq!((known.status, &known.body), (unknown.status, &unknown.body));
    snapshot!(transcript([
        ("where a claim counts, a tenant that is none", login(&by_claim, "alice@example.com", &json!("hunter 2"))),
        ("where no claim counts", known),
    ]));
}

#[test]
fn the_first_source_that_names_a_tenant_decides() {
    let app = organization("header,subdomain,claim");
    let alice = claiming(&app, "alice@example.com", "globex");
    assert_eq!(tenant_of(&alice), "globex");
    assert_eq!(tenant_of(&at(&alice, "acme.example.com")), "acme");
    assert_eq!(tenant_of(&at(&alice, "acme.example.com").within("globex")), "globex");
    assert_eq!(tenant_of(&at(&alice, "acme.example.com").within("nowhere")), "tenant-not-found");
    assert_eq!(parameters(&app), [("X-Tenant-Id".to_owned(), false)]);

    let app = organization("claim,header");
    let alice = claiming(&app, "alice@example.com", "globex");
    assert_eq!(tenant_of(&alice.within("acme")), "globex");
    assert_eq!(tenant_of(&app.alice().within("acme")), "acme");

    // Whom the deciding source doesn't let in, no other one does.
    let bob = claiming(&app, "bob@example.com", "globex");
    assert_eq!(bob.within("acme").get("/v1/members").problem(), "tenant-not-found");
}

#[test]
fn each_person_has_one_tenant_of_their_own() {
    let app = App::with(Tenancy::Personal);
    let (alice, bob) = (app.alice(), app.bob());
    // An admin of two organizations, and yet without a tenant of her own.
    let none = alice.get("/v1/tenant");
    assert_same_404(&app.stranger().get("/v1/tenant"), &none);
    let founded = alice.post("/v1/tenants", r#"{"name": "Alice's"}"#);
    assert_eq!((founded.status, tenant_of(&alice)), (201, "alice-s".into()));
    assert_eq!(alice.get("/v1/tenant").json(), founded.json());
    assert_eq!(alice.get("/v1/members").json()["members"].as_array().unwrap().len(), 1);
    let second = alice.post("/v1/tenants", r#"{"name": "Another"}"#);
    assert_eq!(alice.post("/v1/tenants", r#"{"name": "X", "slug": "alice-s"}"#).body, second.body);

    // Hers is nobody else's.
    assert_eq!(tenant_of(&bob), "tenant-not-found");
    assert_eq!(bob.post("/v1/tenants", r#"{"name": "Bob's", "slug": "alice-s"}"#).problem(), "slug-taken");
    assert_eq!(bob.post("/v1/tenants", r#"{"name": "Bob's"}"#).status, 201);
    assert_eq!((tenant_of(&bob), tenant_of(&alice)), ("bob-s".into(), "alice-s".into()));

    assert_eq!(alice.patch("/v1/tenant", r#"{"slug": "wonderland"}"#).status, 200);
    assert_eq!(tenant_of(&alice), "wonderland");
    assert_eq!(alice.send("POST", "/v1/tenant/archive", None).status, 204);
    assert_same_404(&none, &alice.get("/v1/tenant"));
    assert_eq!(alice.post("/v1/tenants", r#"{"name": "Another"}"#).problem(), "personal-tenant-exists");
    assert_eq!(alice.send("POST", "/v1/tenant/restore", None).status, 204);
    assert_eq!(tenant_of(&alice), "wonderland");

    assert_eq!((parameters(&app), login_takes_a_tenant(&app)), (vec![], false));
    snapshot!(transcript([
        ("GET /v1/tenant, without a tenant", none),
        ("POST /v1/tenants, once more", second),
        ("GET /v1/tenant, with X-Tenant-Id", alice.within("wonderland").get("/v1/tenant")),
    ]));
}

#[test]
fn ones_own_tenant_takes_membership_like_any_other() {
    let app = App::with(Tenancy::Personal);
    let alice = app.alice();
    let none = alice.get("/v1/tenant");
    assert_eq!(alice.post("/v1/tenants", r#"{"name": "Alice's", "slug": "alices"}"#).status, 201);
    app.sql(
        "DELETE FROM memberships USING tenants WHERE memberships.tenant_id = tenants.id AND tenants.slug = 'alices'",
    );
    assert_same_404(&none, &alice.get("/v1/tenant"));
    assert_same_404(&none, &alice.send("POST", "/v1/tenant/restore", None));
}

#[test]
fn every_request_acts_in_the_one_tenant() {
    let app = single("acme");
    let (alice, bob) = (app.alice(), app.bob());
    assert_eq!((tenant_of(&alice), bob.get("/v1/members").status), ("acme".into(), 200));
    assert_eq!(bob.get("/v1/subscription").problem(), "permission-missing");
    assert_eq!(app.nobody().get("/v1/members").problem(), "unauthenticated");
    let stays = alice.patch("/v1/tenant", r#"{"name": "Another", "slug": "another"}"#);
    assert_eq!(alice.get("/v1/tenant").json()["name"], "Acme Corp");
    let founded = alice.post("/v1/tenants", r#"{"name": "Another"}"#);
    assert_eq!(app.stranger().post("/v1/tenants", r#"{"name": "X", "slug": "acme"}"#).body, founded.body);

    assert_eq!(alice.send("POST", "/v1/tenant/archive", None).status, 204);
    assert_same_404(&bob.get("/v1/tenant"), &alice.get("/v1/tenant"));
    assert_eq!(alice.send("POST", "/v1/tenant/restore", None).status, 204);
    assert_eq!(tenant_of(&alice), "acme");

    assert_eq!((parameters(&app), login_takes_a_tenant(&app)), (vec![], false));
    snapshot!(transcript([
        ("PATCH /v1/tenant, with another slug", stays),
        ("POST /v1/tenants", founded),
        ("GET /v1/tenant, with X-Tenant-Id", alice.within("acme").get("/v1/tenant")),
    ]));
}

#[test]
fn a_stranger_to_the_one_tenant_is_told_as_much_as_where_there_is_none() {
    let (acme, nothing) = (single("globex"), single("nowhere"));
    for path in ["/v1/tenant", "/v1/members", "/v1/subscription"] {
        let none = nothing.alice().get(path);
        assert_same_404(&none, &acme.stranger().get(path));
        assert_same_404(&none, &acme.bob().get(path));
    }
}

#[test]
fn a_header_where_none_counts_is_refused_to_whoever_is_signed_in() {
    let subdomain = organization("subdomain");
    for app in [&subdomain, &App::with(Tenancy::Personal), &single("acme")] {
        let alice = at(&app.alice(), "acme.example.com");
        for tenant in ["acme", "globex", "nowhere", "no slug", ""] {
            for answer in
                [alice.within(tenant).get("/v1/tenant"), alice.within(tenant).send("POST", "/v1/tenant/restore", None)]
            {
                assert_eq!((answer.status, answer.problem()), (400, "tenant-not-named-here".into()), "{answer}");
            }
        }
        assert_eq!(app.nobody().within("acme").get("/v1/tenant").problem(), "unauthenticated");
        // Where no tenant is acted in, it says nothing.
        assert_eq!(app.alice().within("acme").get("/v1/me").status, 200);
    }
}

#[test]
fn the_words_fit_the_mode() {
    let by_host = organization("subdomain,claim");
    let answers = [
        ("subdomain,claim: none named", by_host.alice().get("/v1/tenant")),
        ("subdomain,claim: one in the header", by_host.alice().within("acme").get("/v1/tenant")),
    ];
    let descriptions = [organization("header,subdomain,claim"), App::with(Tenancy::Personal), single("acme")]
        .map(|app| app.nobody().get("/openapi.json").json()["info"]["description"].as_str().unwrap().to_owned());
    snapshot!(format!("{}{}", transcript(answers), descriptions.join("\n\n")));
}

#[test]
fn the_operator_founds_the_one_tenant_and_is_told_to_while_it_is_missing() {
    let folder = folder();
    let settings = [("TENANCY_MODE", "single"), ("TENANT_SLUG", "initech")];
    let told = "tenantry tenants found --slug initech";
    let written = Serving::start(folder.path(), &settings).interrupt();
    assert!(written.contains(told), "{written}");

    let found = |slug: &str, name: &str, admin: &str| {
        let arguments = ["tenants", "found", "--slug", slug, "--name", name, "--admin", admin];
        run(folder.path(), &settings, &arguments)
    };
    for (slug, name, admin, words) in [
        ("initech", "Initech", "nobody@example.com", "nobody who can sign in has this e-mail address"),
        ("globex", "Initech", "bob@example.com", "found it with --slug initech, as TENANT_SLUG says"),
        ("www", "Initech", "bob@example.com", "--slug"),
        ("initech", "", "bob@example.com", "--name"),
        ("initech", "Initech", "bob", "--admin"),
    ] {
        let refused = found(slug, name, admin);
        assert!(!refused.status.success() && stderr(&refused).contains(words), "{slug}: {}", stderr(&refused));
    }
    let founded = found("initech", "Initech", "Bob@example.com");
    let words = String::from_utf8_lossy(&founded.stdout);
    assert!(words.starts_with("founded initech (") && words.contains("with bob@example.com as its admin"), "{words}");
    let again = found("initech", "Initech", "alice@example.com");
    assert!(!again.status.success() && stderr(&again).contains("a tenant of this slug already"), "{}", stderr(&again));

    let serving = Serving::start(folder.path(), &settings);
    assert_eq!(serving.status("/v1/tenant"), 401);
    let written = serving.interrupt();
    assert!(!written.contains(told), "{written}");
}
