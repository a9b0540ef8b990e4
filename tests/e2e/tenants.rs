//! `POST /v1/tenants` and `/v1/tenant`

use std::thread;

use rstest::rstest;

use crate::client::{Client, Response, TestApp, app, count_outcomes, transcript};

/// Returns the slugs of the user's tenants.
fn slugs(client: &Client) -> Vec<String> {
    let me = client.get("/v1/me").json();
    me["tenants"].as_array().unwrap().iter().map(|tenant| tenant["slug"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn archive(client: &Client) -> Response {
    client.send("POST", "/v1/tenant/archive", None)
}

pub(crate) fn restore(client: &Client) -> Response {
    client.send("POST", "/v1/tenant/restore", None)
}

#[rstest]
fn tenant_lifecycle(app: TestApp) {
    let carol = app.carol();
    let created = carol.post("/v1/tenants", r#"{"name": " Initech LLC "}"#);
    assert_eq!((created.status, created.header("location")), (201, None));
    let initech = carol.in_tenant("initech-llc");
    assert_eq!(initech.get("/v1/tenant").json(), created.json());
    assert_eq!(initech.get("/v1/members").json()["members"][0]["role"]["name"], "admin");
    assert_eq!(slugs(&carol), ["initech-llc"]);

    let changed = initech.patch("/v1/tenant", r#"{"name": "Initech", "slug": "initech"}"#);
    assert_eq!(initech.get("/v1/tenant").problem(), "tenant-not-found");
    let initech = carol.in_tenant("initech");
    assert_eq!(initech.get("/v1/tenant").json(), changed.json());

    let archived = archive(&initech);
    assert_eq!(slugs(&carol), Vec::<String>::new());
    let restored = restore(&initech);
    assert_eq!(initech.get("/v1/tenant").json(), changed.json());
    assert_eq!(initech.get("/v1/members").json()["members"].as_array().unwrap().len(), 1);
    let ids = [
        (created.json()["id"].as_str().unwrap().to_owned(), "[tenant]"),
        (carol.get("/v1/me").json()["tenants"][0]["role"]["id"].as_str().unwrap().to_owned(), "[role]"),
    ];
    let text = transcript([
        ("POST /v1/tenants", created),
        ("GET /v1/me", carol.get("/v1/me")),
        ("PATCH /v1/tenant", changed),
        ("POST /v1/tenant/archive", archived),
        ("POST /v1/tenant/restore", restored),
    ]);
    snapshot!(ids.iter().fold(text, |text, (id, name)| text.replace(id, name)));
}

#[rstest]
fn archived_tenant_is_hidden_until_admin_restores(app: TestApp) {
    let (alice, bob, carol) = (app.alice(), app.bob(), app.carol());
    let acme = alice.in_tenant("acme");
    assert_eq!(archive(&acme).status, 204);
    let id = app.seed.tenants.acme.id.to_string();
    for client in [&alice, &bob, &carol] {
        for (method, path, body) in [
            ("GET", "/v1/tenant", None),
            ("PATCH", "/v1/tenant", Some(r#"{"name": "X"}"#)),
            ("POST", "/v1/tenant/archive", None),
            ("GET", "/v1/members", None),
            ("GET", "/v1/members/019a0000-0000-7000-8000-00000000a11c", None),
            ("GET", "/v1/subscription", None),
            ("POST", "/v1/authorization/check", Some(r#"{"checks": [{"permission": "user:read"}]}"#)),
        ] {
            let send = |tenant: &str| client.in_tenant(tenant).send_json(method, path, body);
            let (unknown, by_slug, by_id) = (send("nowhere"), send("acme"), send(&id));
            assert_eq!(unknown.outcome(), "404 tenant-not-found", "{method} {path}");
            assert_eq!((by_slug.status, &by_slug.body), (404, &unknown.body), "{method} {path}");
            assert_eq!((by_id.status, &by_id.body), (404, &unknown.body), "{method} {path}");
        }
    }
    for client in [&bob, &carol] {
        let (unknown, archived) = (restore(&client.in_tenant("nowhere")), restore(&client.in_tenant("acme")));
        assert_eq!((archived.status, &archived.body), (404, &unknown.body));
    }
    assert_eq!((slugs(&alice), slugs(&bob)), (vec!["globex".to_owned()], vec![]));
    assert_eq!(restore(&app.anonymous().in_tenant("acme")).problem(), "unauthenticated");

    assert_eq!((restore(&alice.in_tenant(&id)).status, restore(&acme).status), (204, 204));
    assert_eq!((acme.get("/v1/tenant").status, bob.in_tenant("acme").get("/v1/members").status), (200, 200));
}

#[rstest]
fn invalid_input_is_rejected(app: TestApp) {
    let alice = app.alice();
    let acme = alice.in_tenant("acme");
    let before = (slugs(&alice), acme.get("/v1/tenant").body);
    let (long_name, long_slug) = ("x".repeat(201), "x".repeat(64));
    let texts = [
        ("name", ""),
        ("name", " "),
        ("name", "hunter2\\nx"),
        ("name", "hunter2\\u0000"),
        ("name", long_name.as_str()),
        ("slug", ""),
        ("slug", "ab"),
        ("slug", "Hunter2"),
        ("slug", "hunter2-"),
        ("slug", "hunter--2"),
        ("slug", "hunter 2"),
        ("slug", "admin"),
        ("slug", "www"),
        ("slug", "019a0000-0000-7000-8000-00000000acee"),
        ("slug", "019a000000007000800000000000acee"),
        ("slug", "019a00000000-70008000-00000000acee"),
        ("slug", long_slug.as_str()),
    ];
    let mut cases: Vec<(String, String)> = Vec::new();
    for (field, text) in texts {
        let other_fields = if field == "name" { "" } else { r#""name": "hunter2", "# };
        cases.push((format!(r#"{{{other_fields}"{field}": "{text}"}}"#), format!("/{field}")));
    }
    for (body, pointer) in [
        (r#"{"name": 1}"#, "/name"),
        (r#"{"name": null}"#, "/name"),
        (r#"{"name": "hunter2", "slug": null}"#, "/slug"),
        (r#"{"name": "hunter2", "plan": "enterprise"}"#, ""),
        (r#"{"name": "hunter2", "status": "archived"}"#, ""),
        (r#"{"name": "hunter2", "id": "019a0000-0000-7000-8000-00000000acee"}"#, ""),
        ("{}", ""),
        ("[]", ""),
    ] {
        cases.push((body.into(), pointer.into()));
    }
    for (body, pointer) in cases {
        alice.post("/v1/tenants", &body).assert_invalid_body(&pointer, &body);
        acme.patch("/v1/tenant", &body).assert_invalid_body(&pointer, &body);
    }
    let two_errors = acme.patch("/v1/tenant", r#"{"name": "", "slug": ""}"#).json();
    assert_eq!(two_errors["errors"].as_array().unwrap().len(), 2);
    assert_eq!((slugs(&alice), acme.get("/v1/tenant").body), before);
}

#[rstest]
fn duplicate_slug_is_a_conflict(app: TestApp) {
    let alice = app.alice();
    let acme = alice.in_tenant("acme");
    assert_eq!(acme.patch("/v1/tenant", r#"{"slug": "acme"}"#).status, 200);
    let created = app.bob().post("/v1/tenants", r#"{"name": "Another", "slug": "acme"}"#);
    let changed = acme.patch("/v1/tenant", r#"{"name": "Another", "slug": "globex"}"#);
    assert_eq!((created.status, &created.body), (changed.status, &changed.body));
    assert_eq!(
        (slugs(&app.bob()), acme.get("/v1/tenant").json()["name"].as_str()),
        (vec!["acme".into()], Some("Acme Corp"))
    );
    snapshot!(transcript([("POST /v1/tenants", created)]));
}

#[rstest]
fn tenant_limit_per_user_is_enforced(app: TestApp) {
    let carol = app.carol();
    for _ in 0..20 {
        assert_eq!(carol.post("/v1/tenants", r#"{"name": "Mine"}"#).status, 201);
    }
    let rejected = carol.post("/v1/tenants", r#"{"name": "Mine"}"#);
    assert_eq!(slugs(&carol).len(), 20);
    snapshot!(transcript([("POST /v1/tenants", rejected)]));
}

#[rstest]
fn concurrent_same_slug_creates_one_tenant(app: TestApp) {
    let clients = [app.alice(), app.bob(), app.carol()];
    let responses: Vec<Response> = thread::scope(|scope| {
        let create =
            |client: Client| scope.spawn(move || client.post("/v1/tenants", r#"{"name": "X", "slug": "initech"}"#));
        let threads: Vec<_> = clients.iter().cycle().take(50).cloned().map(create).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let outcomes = count_outcomes(responses);
    assert_eq!(outcomes, [("201".to_owned(), 1), ("409 slug-taken".to_owned(), 49)].into());
    let members: usize =
        clients.iter().filter(|client| client.in_tenant("initech").get("/v1/tenant").status == 200).count();
    assert_eq!(members, 1);
}

#[rstest]
fn archive_and_restore_are_serializable(app: TestApp) {
    let acme = app.alice().in_tenant("acme");
    let outcomes: Vec<(bool, u16)> = thread::scope(|scope| {
        let send = |is_restore: bool| {
            let acme = acme.clone();
            scope.spawn(move || (is_restore, if is_restore { restore(&acme) } else { archive(&acme) }.status))
        };
        let threads: Vec<_> = (0..20).map(|number| send(number % 2 == 0)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (is_restore, status) in outcomes {
        assert!(status == 204 || (status == 404 && !is_restore), "restore: {is_restore}, status: {status}");
    }
    assert_eq!(restore(&acme).status, 204);
    assert_eq!(acme.get("/v1/tenant").json()["name"], "Acme Corp");
}

#[rstest]
fn tenant_routes_require_permission(app: TestApp) {
    let bob = app.bob().in_tenant("acme");
    for (response, permission) in [
        (bob.get("/v1/tenant"), "tenant:read"),
        (bob.patch("/v1/tenant", "not JSON"), "tenant:update"),
        (archive(&bob), "tenant:archive"),
        (restore(&bob), "tenant:archive"),
    ] {
        assert_eq!((response.status, response.json()["permission"].as_str()), (403, Some(permission)));
    }
    snapshot!(transcript([("GET /v1/tenant", app.alice().in_tenant("acme").get("/v1/tenant"))]));
}
