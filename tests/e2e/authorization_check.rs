//! `POST /v1/authorization/check`

use std::time::{Duration, Instant};

use rstest::rstest;
use serde_json::json;

use crate::client::{Client, TestApp, app, transcript};

#[rstest]
fn check_returns_decision_and_reason(app: TestApp) {
    let checks = json!({"checks": [
        {"permission": "user:read"},
        {"permission": "billing:read"},
        {"permission": "user:read", "owner": app.seed.users.bob.id},
    ]});
    app.sql(
        "INSERT INTO policies (tenant_id, id, effect, resource, verbs, digest)
         SELECT id, '019a0000-0000-7003-8000-000000000001', 'deny', 'billing', '{read}', sha256('1')
         FROM tenants WHERE slug = 'globex'",
    );
    snapshot!(transcript([
        ("alice in acme", app.alice().in_tenant("acme").post("/v1/authorization/check", &checks)),
        ("bob in acme", app.bob().in_tenant("acme").post("/v1/authorization/check", &checks)),
        ("alice in globex", app.alice().in_tenant("globex").post("/v1/authorization/check", &checks)),
    ]));
}

/// Alice may read policies, because she is allowed everything. Bob is only allowed `user:read`.
#[rstest]
fn reason_hides_policy_without_read_permission(app: TestApp) {
    app.sql(
        r#"INSERT INTO policies (tenant_id, id, effect, resource, verbs, condition, digest)
           SELECT t.id, p.id::uuid, p.effect::policy_effect, p.resource, '{read}', p.condition::jsonb, sha256(p.id::bytea)
           FROM tenants AS t,
             (VALUES
               ('019a0000-0000-7003-8000-000000000001', 'deny', 'user',
                '{"any": [{"attribute": {"name": "tenant.seat_limit", "at_most": 1}}, {"owner": {}}]}'),
               ('019a0000-0000-7003-8000-000000000002', 'allow', 'billing',
                '{"all": [{"client_addr": ["192.0.2.0/24"]}, {"not": {"feature": "sso"}}, {"plan": "enterprise"}]}'),
               ('019a0000-0000-7003-8000-000000000003', 'allow', 'billing', '{"any": [{"unknown": "x"}, {"plan": 1}]}')
             ) AS p (id, effect, resource, condition)
           WHERE t.slug = 'acme'"#,
    );
    let (alice, bob) = (app.seed.users.alice.id, app.seed.users.bob.id);
    let checks = json!({"checks": [
        {"permission": "billing:read"},
        {"permission": "user:read"},
        {"permission": "user:read", "owner": alice},
        {"permission": "user:read", "owner": bob},
    ]});
    let check = |client: Client| client.in_tenant("acme").post("/v1/authorization/check", &checks);
    let without_permission = check(app.bob());
    for policy_text in ["019a0000", "conditions", "client_addr"] {
        assert!(!without_permission.body.contains(policy_text), "{policy_text}");
    }
    let admin = check(app.alice());
    // A member who may only read policies gets the reasons of denied checks, too.
    app.sql("UPDATE policies SET resource = 'policy' WHERE resource = 'user' AND role_id IS NOT NULL");
    snapshot!(transcript([
        ("bob, without policy:read", without_permission),
        ("alice, with policy:read", admin),
        ("bob, with policy:read", check(app.bob()))
    ]));
}

#[rstest]
fn check_uses_resource_owner(app: TestApp) {
    app.sql(r#"UPDATE policies SET condition = '{"owner": {}}' WHERE resource = 'user'"#);
    let (alice, bob) = (app.seed.users.alice.id, app.seed.users.bob.id);
    let checks = json!({"checks": [
        {"permission": "user:read"},
        {"permission": "user:read", "owner": alice},
        {"permission": "user:read", "owner": bob},
    ]});
    let response = app.bob().in_tenant("acme").post("/v1/authorization/check", &checks).json();
    let allowed: Vec<_> =
        response["results"].as_array().unwrap().iter().map(|result| result["allowed"].as_bool().unwrap()).collect();
    assert_eq!(allowed, [false, false, true]);
}

#[rstest]
fn invalid_checks_have_json_pointers(app: TestApp) {
    let acme = app.bob().in_tenant("acme");
    let check = |body: serde_json::Value| acme.post("/v1/authorization/check", body);
    let many = vec![json!({"permission": "user:read"}); 101];
    snapshot!(transcript([
        (
            "unknown permissions",
            check(json!({"checks": [
                {"permission": "user:hunter2"}, {"permission": "user:read"}, {"permission": "*"},
            ]}))
        ),
        ("no checks", check(json!({"checks": []}))),
        ("101 checks", check(json!({"checks": many}))),
        ("invalid owner id", check(json!({"checks": [{"permission": "user:read", "owner": "hunter2"}]}))),
    ]));
    assert_eq!(check(json!({"checks": &many[..100]})).status, 200);
}

/// Pings the only worker while it evaluates the maximum number of checks. The tenant has nearly the maximum number of
/// time windows, which take longest to evaluate.
#[rstest]
fn long_check_does_not_block_worker(app: TestApp) {
    // Unknown features make every condition false, so that all of them are evaluated.
    app.sql(
        r#"INSERT INTO policies (tenant_id, id, effect, resource, verbs, condition, digest)
           SELECT t.id, gen_random_uuid(), 'deny', 'user', '{read}', c.condition, sha256(c.condition::text::bytea)
           FROM tenants AS t, generate_series(1, 50) AS n, LATERAL (
             SELECT jsonb_build_object('any', jsonb_agg(
               format('{"all": [{"time": {"zone": "Europe/Berlin", "from": "00:00", "to": "12:00"}}, {"feature": "%s"}]}',
                 n || '-' || part)::jsonb)) AS condition
             FROM generate_series(1, 15) AS part
           ) AS c
           WHERE t.slug = 'acme'"#,
    );
    let bob = app.bob().in_tenant("acme");
    assert_eq!(bob.get("/v1/members").status, 200);
    let checks = json!({"checks": vec![json!({"permission": "user:read"}); 100]});
    // Other tests may take the CPU in an attempt.
    let mut attempts = Vec::new();
    while attempts.len() < 10 {
        let (check, longest_ping) = ping_during(&app, || {
            let response = bob.post("/v1/authorization/check", &checks);
            assert_eq!(response.status, 200, "{response}");
        });
        if longest_ping < check / 2 {
            return;
        }
        attempts.push((check, longest_ping));
    }
    panic!("the worker served nothing else during most of each check: {attempts:?}");
}

/// Returns the duration of a request, and the longest duration of other requests meanwhile.
fn ping_during(app: &TestApp, request: impl FnOnce() + Send) -> (Duration, Duration) {
    std::thread::scope(|scope| {
        let request = scope.spawn(|| {
            let started = Instant::now();
            request();
            started.elapsed()
        });
        let anonymous = app.anonymous();
        let mut longest_ping = Duration::ZERO;
        while !request.is_finished() {
            let started = Instant::now();
            assert_eq!(anonymous.get("/health/live").status, 200);
            longest_ping = longest_ping.max(started.elapsed());
        }
        (request.join().unwrap(), longest_ping)
    })
}
