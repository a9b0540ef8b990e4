//! `/v1/members/{id}`, `/v1/tenant/leave`, `/v1/roles` and `/v1/policies`

use kernel::RoleId;
use rstest::rstest;
use serde_json::{Value, json};

use crate::client::{Response, TestApp, app, transcript};

fn id_of(response: &Response) -> String {
    response.json()["id"].as_str().unwrap().to_owned()
}

/// Replaces ids, which vary between runs, by names.
fn replace_ids(text: String, ids: &[(&str, String)]) -> String {
    ids.iter().fold(text, |text, (name, id)| text.replace(id, &format!("[{name}]")))
}

#[rstest]
fn conditional_custom_role_end_to_end(app: TestApp) {
    let (acme, bob) = (app.alice().in_tenant("acme"), app.bob().in_tenant("acme"));
    let role = acme.post("/v1/roles", r#"{"name": "auditor"}"#);
    let renamed = acme.patch(&format!("/v1/roles/{}", id_of(&role)), r#"{"name": "Auditor"}"#);
    let body = format!(
        r#"{{"role_id": "{}", "effect": "allow", "resource": "user", "verbs": ["read"], "condition": {{"owner": {{}}}}}}"#,
        id_of(&role)
    );
    let policy = acme.post("/v1/policies", &body);
    let path = format!("/v1/policies/{}", id_of(&policy));
    let member = acme.patch(&format!("/v1/members/{}", app.seed.users.bob.id), json!({"role_id": id_of(&role)}));
    // The policy applies from the next request on: Bob can read only himself.
    let read = |id: String| bob.get(&format!("/v1/members/{id}")).status;
    assert_eq!((read(app.seed.users.bob.id.to_string()), read(app.seed.users.alice.id.to_string())), (200, 403));
    let changed = acme.patch(&path, r#"{"resource": "*", "verbs": ["read"]}"#);
    assert_eq!(changed.json()["condition"], policy.json()["condition"], "an absent field keeps its value");
    let widened = acme.patch(&path, r#"{"condition": null}"#);
    assert_eq!((read(app.seed.users.alice.id.to_string()), bob.get("/v1/policies").status), (200, 200));
    let role_in_use = acme.delete(&format!("/v1/roles/{}", id_of(&role)));
    let ids = [
        ("role", id_of(&role)),
        ("policy", id_of(&policy)),
        ("bob", app.seed.users.bob.id.to_string()),
        ("member", app.seed.tenants.acme.member_role.to_string()),
        ("admin", app.seed.tenants.acme.admin_role.to_string()),
    ];
    snapshot!(replace_ids(
        transcript([
            ("POST /v1/roles", role),
            ("PATCH /v1/roles/[role]", renamed),
            ("POST /v1/policies", policy),
            ("PATCH /v1/members/[bob]", member),
            ("PATCH /v1/policies/[policy]", changed),
            ("PATCH /v1/policies/[policy]", widened),
            ("DELETE /v1/roles/[role]", role_in_use),
            ("GET /v1/roles", acme.get("/v1/roles")),
            ("DELETE /v1/policies/[policy]", acme.delete(&path)),
            ("GET /v1/policies/[policy]", acme.get(&path)),
            ("DELETE /v1/members/[bob]", acme.delete(&format!("/v1/members/{}", app.seed.users.bob.id))),
            ("GET /v1/members", bob.get("/v1/members")),
        ]),
        &ids,
    ));
}

#[rstest]
fn escalation_error_names_permission(app: TestApp) {
    let (acme, bob) = (app.alice().in_tenant("acme"), app.bob().in_tenant("acme"));
    let member = app.seed.tenants.acme.member_role;
    let insert_policies = "INSERT INTO policies (tenant_id, id, role_id, effect, resource, verbs, digest)
        SELECT tenant_id, gen_random_uuid(), id, 'allow', resource, '{*}', sha256(resource::bytea)
        FROM roles, unnest(ARRAY['policy', 'member']) AS resource WHERE name = 'member'";
    app.sql(insert_policies);
    let everything = |effect: &str, role: Option<RoleId>| json!({"role_id": role, "effect": effect, "resource": "*", "verbs": ["*"]});
    let before = acme.get("/v1/policies").body;
    let rejected = bob.post("/v1/policies", everything("allow", Some(member)));
    let alice = bob.delete(&format!("/v1/members/{}", app.seed.users.alice.id));
    for response in [&rejected, &alice] {
        assert_eq!(response.json()["permission"], "*:*");
    }
    let text = transcript([
        ("POST /v1/policies", rejected),
        ("DELETE /v1/members/{id}, an admin", alice),
        ("POST /v1/policies, a deny for every member", acme.post("/v1/policies", everything("deny", None))),
        ("POST /v1/tenant/leave, as the only admin", acme.send("POST", "/v1/tenant/leave", None)),
    ]);
    assert_eq!(acme.get("/v1/policies").body, before);
    snapshot!(text);
}

#[rstest]
fn invalid_input_is_rejected(app: TestApp) {
    let acme = app.alice().in_tenant("acme");
    let lists = || ["/v1/policies", "/v1/roles", "/v1/members"].map(|path| acme.get(path).body);
    let before = lists();
    let policy = |rest: &str| format!(r#"{{"effect": "allow", {rest}}}"#);
    let long = format!(r#""{}""#, "x".repeat(101));
    let many = vec![r#""read""#; 33].join(", ");
    let deep = format!("{}{}{}", r#"{"not": "#.repeat(9), r#"{"owner": {}}"#, "}".repeat(9));
    let (post, patch) = ("POST", "PATCH");
    let bob = format!("/v1/members/{}", app.seed.users.bob.id);
    let missing = format!("/v1/policies/{}", app.seed.users.bob.id);
    let cases = [
        (post, "/v1/roles", r#"{"name": "hunter2\n"}"#.replace("\\n", "\\nx"), "/name"),
        (post, "/v1/roles", r#"{"name": ""}"#.into(), "/name"),
        (post, "/v1/roles", format!(r#"{{"name": {long}}}"#), "/name"),
        (post, "/v1/roles", r#"{"name": "x", "is_system": true}"#.into(), ""),
        (post, "/v1/policies", policy(r#""resource": "hunter2", "verbs": ["read"]"#), "/resource"),
        (post, "/v1/policies", policy(r#""resource": "user", "verbs": ["read", "hunter2"]"#), "/verbs/1"),
        (post, "/v1/policies", policy(r#""resource": "user", "verbs": ["read", "*"]"#), "/verbs/1"),
        (post, "/v1/policies", policy(r#""resource": "user", "verbs": []"#), "/verbs"),
        (post, "/v1/policies", policy(&format!(r#""resource": "user", "verbs": [{many}]"#)), "/verbs"),
        (post, "/v1/policies", policy(r#""resource": "user", "verbs": "read""#), "/verbs"),
        (post, "/v1/policies", r#"{"effect": "hunter2", "resource": "user", "verbs": ["read"]}"#.into(), "/effect"),
        (
            post,
            "/v1/policies",
            policy(r#""resource": "user", "verbs": ["read"], "role_id": "019a0000-0000-7000-8000-00000000acee""#),
            "/role_id",
        ),
        (post, "/v1/policies", policy(r#""resource": "user", "verbs": ["read"], "role_id": "hunter2""#), "/role_id"),
        (
            post,
            "/v1/policies",
            policy(
                r#""resource": "user", "verbs": ["read"], "condition": {"all": [{"owner": {}}, {"unknown": "hunter2"}]}"#,
            ),
            "/condition/all/1",
        ),
        (
            post,
            "/v1/policies",
            policy(&format!(r#""resource": "user", "verbs": ["read"], "condition": {deep}"#)),
            "/condition/not/not/not/not/not/not/not/not",
        ),
        (patch, missing.as_str(), "{}".into(), ""),
        (patch, missing.as_str(), r#"{"resource": "user"}"#.into(), "/verbs"),
        (patch, missing.as_str(), r#"{"verbs": ["read"]}"#.into(), "/resource"),
        (patch, missing.as_str(), r#"{"effect": null}"#.into(), "/effect"),
        (patch, missing.as_str(), r#"{"role_id": null}"#.into(), ""),
        (patch, bob.as_str(), "{}".into(), ""),
        (patch, bob.as_str(), r#"{"role_id": "019a0000-0000-7000-8000-00000000acee"}"#.into(), "/role_id"),
    ];
    for (method, path, body, pointer) in cases {
        acme.send_json(method, path, Some(&body)).assert_invalid_body(pointer, &body);
    }
    assert_eq!(lists(), before);
}

#[rstest]
fn other_tenants_ids_are_not_found(app: TestApp) {
    let (acme, globex) = (app.alice().in_tenant("acme"), app.alice().in_tenant("globex"));
    let role = acme.post("/v1/roles", r#"{"name": "auditor"}"#);
    let body = |role: &str| json!({"role_id": role, "effect": "allow", "resource": "user", "verbs": ["*"]});
    let policy = acme.post("/v1/policies", body(&id_of(&role)));
    let unknown_id = "019a0000-0000-7000-8000-0000000000ff";
    for (method, path, foreign_id, body) in [
        ("PATCH", "/v1/roles/", id_of(&role), Some(r#"{"name": "x"}"#)),
        ("DELETE", "/v1/roles/", id_of(&role), None),
        ("GET", "/v1/policies/", id_of(&policy), None),
        ("PATCH", "/v1/policies/", id_of(&policy), Some(r#"{"effect": "deny"}"#)),
        ("DELETE", "/v1/policies/", id_of(&policy), None),
        ("DELETE", "/v1/members/", app.seed.users.bob.id.to_string(), None),
    ] {
        let send = |id: &str| globex.send_json(method, &format!("{path}{id}"), body);
        let (missing, foreign) = (send(unknown_id), send(&foreign_id));
        assert_eq!((foreign.status, &foreign.body), (404, &missing.body), "{method} {path}");
    }
    let create_policy = |role: &str| globex.post("/v1/policies", body(role));
    let (missing, foreign) = (create_policy(unknown_id), create_policy(&id_of(&role)));
    assert_eq!((foreign.status, &foreign.body), (422, &missing.body));
    assert_eq!(acme.get("/v1/roles").json()["roles"][2]["name"], "auditor");
    assert_eq!(acme.get(&format!("/v1/policies/{}", id_of(&policy))).json(), policy.json());
}

#[rstest]
fn policies_are_paginated(app: TestApp) {
    let acme = app.alice().in_tenant("acme");
    for verb in ["read", "update", "archive"] {
        let body = json!({"effect": "allow", "resource": "tenant", "verbs": [verb]});
        assert_eq!(acme.post("/v1/policies", body).status, 201);
    }
    let all = acme.get("/v1/policies").json();
    let (mut pages, mut path) = (Vec::new(), "/v1/policies?limit=2".to_owned());
    loop {
        let page = acme.get(&path).json();
        pages.extend(page["policies"].as_array().unwrap().clone());
        let Value::String(cursor) = &page["next_cursor"] else { break };
        path = format!("/v1/policies?limit=2&cursor={cursor}");
    }
    assert_eq!(all["policies"].as_array(), Some(&pages));
    assert!(pages.len() > 4);
    for query in ["limit=0", "limit=101", "cursor=x", "offset=1"] {
        assert_eq!(acme.get(&format!("/v1/policies?{query}")).status, 400, "{query}");
    }
}

#[rstest]
fn created_policy_location_returns_policy(app: TestApp) {
    let acme = app.alice().in_tenant("acme");
    let body = r#"{"effect": "allow", "resource": "user", "verbs": ["read"], "condition": {"owner": {}}}"#;
    let policy = acme.post("/v1/policies", body);
    assert_eq!(policy.status, 201, "{policy}");
    let read = acme.get(policy.header("location").unwrap());
    assert_eq!((read.status, read.json()), (200, policy.json()));
    // No GET route returns a single role, so there is no URL for `Location`.
    let role = acme.post("/v1/roles", r#"{"name": "auditor"}"#);
    assert_eq!((role.status, role.header("location")), (201, None));
}
