//! `GET /v1/audit-events`, and what writes record.

use std::collections::BTreeSet;

use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    client::{Client, Response, TestApp, app},
    process::{RunningServer, seeded_work_dir, start_embedded, wait_until},
};

fn id(response: &Response) -> String {
    response.json()["id"].as_str().unwrap_or_else(|| panic!("{response}")).to_owned()
}

fn audit_events(client: &Client) -> Vec<Value> {
    client.get("/v1/audit-events?limit=100").json()["audit_events"].as_array().unwrap().clone()
}

/// Describes a record in one line: the e-mail address of its user, its type, the target and the fields.
fn describe(record: &Value, names: &[(String, &str)]) -> String {
    let caller = record["caller"]["id"].as_str().or(record["caller"]["command"].as_str()).unwrap();
    let text = format!(
        "{caller}: {} {} {} {}",
        record["type"].as_str().unwrap(),
        record["target"]["type"].as_str().unwrap(),
        record["target"]["id"].as_str().unwrap(),
        record["fields"]
    );
    names.iter().fold(text, |text, (id, name)| text.replace(id, name))
}

/// Runs every operation that writes, and compares the records with the golden file.
#[rstest]
fn each_write_is_audited(app: TestApp) {
    let (alice, carol) = (app.alice(), app.carol());
    let acme = alice.in_tenant("acme");
    let (member, admin) = (app.seed.tenants.acme.member_role.to_string(), app.seed.tenants.acme.admin_role.to_string());
    let (user, bob) = (app.seed.users.alice.id.to_string(), app.seed.users.bob.id.to_string());
    let succeeds = |response: Response| {
        assert!((200..300).contains(&response.status), "{response}");
        response
    };

    let role = id(&succeeds(acme.post("/v1/roles", json!({"name": "reader"}))));
    succeeds(acme.patch(&format!("/v1/roles/{role}"), json!({"name": "auditor"})));
    let new_policy = json!({
        "role_id": role, "effect": "allow", "resource": "audit", "verbs": ["read"], "condition": {"feature": "audit-log"}
    });
    let policy = id(&succeeds(acme.post("/v1/policies", new_policy)));
    succeeds(acme.patch(&format!("/v1/policies/{policy}"), json!({"condition": null})));
    succeeds(acme.delete(&format!("/v1/policies/{policy}")));
    succeeds(acme.patch(&format!("/v1/members/{bob}"), json!({"role_id": role})));
    let invitation = succeeds(acme.post("/v1/invitations", json!({"email": "carol@example.com", "role_id": member})));
    let resent = succeeds(acme.send("POST", &format!("/v1/invitations/{}/resend", id(&invitation)), None));
    let link = resent.json()["link"].as_str().unwrap().to_owned();
    let token = link.split_once('#').unwrap().1;
    succeeds(carol.post("/v1/invitations/accept", json!({"token": token})));
    // The demo data has an expired invitation to Dana.
    let revoked = succeeds(acme.post("/v1/invitations", json!({"email": "dana@example.com", "role_id": member})));
    succeeds(acme.delete(&format!("/v1/invitations/{}", id(&revoked))));
    succeeds(acme.delete(&format!("/v1/members/{bob}")));
    let last_policy = json!({"role_id": role, "effect": "allow", "resource": "user", "verbs": ["read"]});
    let last_policy = id(&succeeds(acme.post("/v1/policies", last_policy)));
    succeeds(acme.delete(&format!("/v1/roles/{role}")));
    succeeds(carol.in_tenant("acme").send("POST", "/v1/tenant/leave", None));
    succeeds(acme.patch("/v1/tenant", json!({"name": "Acme", "slug": "acme-1"})));
    let acme = alice.in_tenant("acme-1");
    succeeds(acme.send("POST", "/v1/tenant/archive", None));
    succeeds(acme.send("POST", "/v1/tenant/restore", None));
    let initech = succeeds(carol.post("/v1/tenants", json!({"name": "Initech"})));
    succeeds(carol.patch("/v1/me", json!({"display_name": "Carol Cole"})));
    // Changes that are rejected leave no record.
    assert_eq!(acme.patch(&format!("/v1/members/{user}"), json!({"role_id": member})).outcome(), "409 last-admin");

    let carol_id = carol.get("/v1/me").json()["id"].as_str().unwrap().to_owned();
    let initech_admin = carol.get("/v1/me").json()["tenants"][0]["role"]["id"].as_str().unwrap().to_owned();
    let names = [
        (user, "alice"),
        (bob, "bob"),
        (carol_id, "carol"),
        (admin, "[admin]"),
        (member, "[member]"),
        (role, "[role]"),
        (policy, "[policy]"),
        (last_policy, "[last policy]"),
        ("019a0000-0000-7f01-8000-00000000acee".to_owned(), "[expired invitation]"),
        (id(&invitation), "[invitation]"),
        (id(&revoked), "[revoked invitation]"),
        (app.seed.tenants.acme.id.to_string(), "[acme]"),
        (id(&initech), "[initech]"),
        (initech_admin, "[initech's admin]"),
    ];
    let deployment =
        app.database().fetch_all::<(Value,)>("SELECT record::jsonb FROM deployment_audit_events ORDER BY id");
    let records: Vec<Value> = audit_events(&acme)
        .into_iter()
        .rev()
        .chain(audit_events(&carol.in_tenant("initech")).into_iter().rev())
        .chain(deployment.into_iter().map(|(record,)| record))
        .collect();
    let text: String = records.iter().map(|record| describe(record, &names) + "\n").collect();
    assert!(!text.contains(token), "{text}");
    snapshot!("Each change by a request is recorded once, with the caller, the target and what was changed.", text);

    let recorded: BTreeSet<&str> = records.iter().filter_map(|record| record["type"].as_str()).collect();
    // The other modules test theirs.
    let modules =
        [user_api::AUDIT_EVENTS, authorization_api::AUDIT_EVENTS, auth_api::AUDIT_EVENTS, audit_api::AUDIT_EVENTS];
    let declared = modules.into_iter().flatten().map(|event| event.name);
    // Those of the operator's commands are tested with the commands.
    let of_operator = ["user.created", "tenant.policy_templates_upgraded"];
    let without_transaction = ["access.denied", "sign_in.failed"];
    let is_expected = |name: &&str| !of_operator.contains(name) && !without_transaction.contains(name);
    let expected: BTreeSet<&str> = declared.filter(is_expected).collect();
    assert_eq!(recorded, expected, "add an operation that records the type to this test");
}

#[rstest]
fn record_names_request(app: TestApp) {
    let acme = app.alice().in_tenant("acme").with_header("User-Agent", &"agent/1 ".repeat(100));
    let response = acme.post("/v1/roles", json!({"name": "reader"}));
    let record = audit_events(&acme)[0].clone();
    assert_eq!(record["caller"]["request"].as_str(), response.header("x-request-id"));
    assert_eq!(record["caller"]["address"], "127.0.0.1");
    let user_agent = record["caller"]["user_agent"].as_str().unwrap();
    assert!(user_agent.starts_with("agent/1 agent/1") && user_agent.len() == 256, "{user_agent}");
}

#[rstest]
fn audit_log_is_filtered_and_paged(app: TestApp) {
    let acme = app.alice().in_tenant("acme");
    for name in ["one", "two", "three"] {
        assert_eq!(acme.post("/v1/roles", json!({"name": name})).status, 201);
    }
    let names = |path: &str| -> Vec<String> {
        let page = acme.get(&format!("/v1/audit-events?{path}")).json();
        let events = page["audit_events"].as_array().unwrap_or_else(|| panic!("{path}: {page}")).clone();
        events.iter().map(|event| event["fields"]["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(""), ["three", "two", "one", "Acme Corp"]);
    assert_eq!(names("type=tenant.created"), ["Acme Corp"]);
    assert_eq!(names("type=role.created&limit=2"), ["three", "two"]);
    assert_eq!(names(&format!("user={}", app.seed.users.bob.id)), Vec::<String>::new());
    assert_eq!(names(&format!("target={}", app.seed.tenants.acme.id)), ["Acme Corp"]);
    assert_eq!(names("from=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z"), Vec::<String>::new());
    assert_eq!(names("until=9999-12-31T23:59:59Z&limit=1"), ["three"]);
    let first = acme.get("/v1/audit-events?limit=2").json();
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(names(&format!("limit=2&cursor={cursor}")), ["one", "Acme Corp"]);
    for query in [
        "user=alice",
        "from=yesterday",
        "limit=0",
        "limit=101",
        "cursor=1",
        "result=denied",
        "type=role.created&type=role.created",
        "type=role",
    ] {
        assert_eq!(acme.get(&format!("/v1/audit-events?{query}")).status, 400, "{query}");
    }
    assert_eq!(app.bob().in_tenant("acme").get("/v1/audit-events").outcome(), "403 permission-missing");
}

/// Returns the records that the query selects.
fn records(app: &TestApp, sql: &str) -> Vec<Value> {
    app.database().fetch_all::<(Value,)>(sql).into_iter().map(|(record,)| record).collect()
}

/// Waits until the query returns this many records, and returns them.
fn wait_for_records(app: &TestApp, sql: &str, count: usize) -> Vec<Value> {
    wait_until("audit records", || records(app, sql).len() >= count);
    let records = records(app, sql);
    assert_eq!(records.len(), count, "{records:?}");
    records
}

const DENIALS: &str = "SELECT record::jsonb FROM audit_events WHERE event_type = 'access.denied' ORDER BY id";
const FAILED_SIGN_INS: &str =
    "SELECT record::jsonb FROM deployment_audit_events WHERE record::jsonb ->> 'type' = 'sign_in.failed' ORDER BY id";

#[test]
fn denials_are_recorded() {
    let app = TestApp::with_background();
    let (alice, bob) = (app.alice(), app.bob());
    let acme = bob.in_tenant("acme");
    assert_eq!(acme.get("/v1/audit-events").outcome(), "403 permission-missing");
    assert_eq!(
        wait_for_records(&app, DENIALS, 1)[0]["fields"],
        json!({
            "count": 1, "operation": "GET /v1/audit-events", "permission": "audit:read", "problem": "permission-missing"
        })
    );
    // Bob may manage roles, but doesn't have the permission that the policy would grant.
    let new_policy = |resource: &str, verb: &str| json!({"role_id": app.seed.tenants.acme.member_role, "effect": "allow", "resource": resource, "verbs": [verb]});
    assert_eq!(alice.in_tenant("acme").post("/v1/policies", new_policy("policy", "manage")).status, 201);
    let escalation = acme.post("/v1/policies", new_policy("tenant", "archive"));
    assert_eq!(escalation.outcome(), "403 privilege-escalation");
    let records = wait_for_records(&app, DENIALS, 2);
    assert_eq!(
        records[1]["fields"],
        json!({
            "count": 1, "operation": "POST /v1/policies", "permission": "tenant:archive", "problem": "privilege-escalation"
        })
    );
    assert_eq!((&records[1]["result"], &records[1]["caller"]["type"]), (&json!("denied"), &json!("user")));
    assert_eq!(records[1]["caller"]["request"].as_str(), escalation.header("x-request-id"));
    assert_eq!(records[1]["target"], json!({"type": "tenant", "id": app.seed.tenants.acme.id}));
    // A user who isn't a member can't add records to the tenant's log, and neither can an invalid request.
    assert_eq!(bob.in_tenant("globex").get("/v1/audit-events").outcome(), "404 tenant-not-found");
    assert_eq!(acme.get("/v1/members?limit=0").status, 400);
    assert_eq!(acme.get("/v1/members?limit=1").status, 200);
    assert_eq!(acme.delete(&format!("/v1/members/{}", app.seed.users.alice.id)).outcome(), "403 permission-missing");
    wait_for_records(&app, DENIALS, 3);
    // Restoring has its own proof. A HEAD request is recorded as such.
    assert_eq!(acme.send("POST", "/v1/tenant/restore", None).outcome(), "403 permission-missing");
    assert_eq!(acme.send("HEAD", "/v1/audit-events", None).status, 403);
    let records = wait_for_records(&app, DENIALS, 5);
    let operations: BTreeSet<&str> = records.iter().map(|one| one["fields"]["operation"].as_str().unwrap()).collect();
    assert!(
        operations.contains("POST /v1/tenant/restore") && operations.contains("HEAD /v1/audit-events"),
        "{operations:?}"
    );
}

#[test]
fn sign_ins_are_recorded() {
    let app = TestApp::with_background();
    for (email, password) in
        [("alice@example.com", "wrong"), ("alice@example.com", "other"), ("unknown@example.com", "x")]
    {
        assert_eq!(app.anonymous().login(email, password).status, 401);
    }
    app.alice();
    let count = |record: &Value| record["fields"]["count"].as_u64().unwrap();
    // Equal failures may be counted in one record.
    let total = |records: &[Value]| records.iter().map(count).sum::<u64>();
    wait_until("audit records of failed sign-ins", || total(&records(&app, FAILED_SIGN_INS)) >= 3);
    let failures = records(&app, FAILED_SIGN_INS);
    assert_eq!(total(&failures), 3, "{failures:?}");
    let of_target = |id: &str| -> u64 { failures.iter().filter(|one| one["target"]["id"] == id).map(count).sum() };
    assert_eq!(of_target(&app.seed.users.alice.id.to_string()), 2);
    assert_eq!(of_target("00000000-0000-0000-0000-000000000000"), 1);
    for record in &failures {
        assert_eq!((&record["result"], &record["caller"]["type"]), (&json!("failed"), &json!("anonymous")));
        assert_eq!(record["caller"]["address"], "127.0.0.1");
        // What was typed as an address may be a password.
        assert!(!record.to_string().contains("unknown@"), "{record}");
    }
    let succeeded =
        "SELECT record::jsonb FROM deployment_audit_events WHERE record::jsonb ->> 'type' = 'sign_in.succeeded'";
    let record = &wait_for_records(&app, succeeded, 1)[0];
    assert_eq!(record["caller"]["id"], app.seed.users.alice.id.to_string());
    assert_eq!(record["target"]["id"], record["caller"]["id"]);
}

/// The server writes denials every 10 seconds, and before it exits.
#[test]
fn denial_before_shutdown_is_recorded() {
    let work_dir = seeded_work_dir();
    let server = RunningServer::start(work_dir.path(), &[]);
    let bob = server.client().sign_in("bob@example.com", seeds::PASSWORD).in_tenant("acme");
    assert_eq!(bob.get("/v1/audit-events").outcome(), "403 permission-missing");
    server.interrupt();
    let count = "SELECT count(*) FROM audit_events WHERE event_type = 'access.denied'";
    assert_eq!(start_embedded(work_dir.path()).sql(count), "1\n");
}
