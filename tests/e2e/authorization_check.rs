//! `POST /v1/authorization/check`

use rstest::rstest;
use serde_json::json;

use crate::client::{App, app, transcript};

#[rstest]
fn each_question_is_answered_with_its_reason(app: App) {
    let questions = json!({"questions": [
        {"permission": "user:read"},
        {"permission": "billing:read"},
        {"permission": "user:read", "owner": app.seed.users.bob.id},
    ]})
    .to_string();
    app.sql(
        "INSERT INTO policies (tenant_id, id, effect, resource, verbs, digest)
         SELECT id, '019a0000-0000-7003-8000-000000000001', 'deny', 'billing', '{read}', sha256('1')
         FROM tenants WHERE slug = 'globex'",
    );
    snapshot!(transcript([
        ("alice in acme", app.alice().within("acme").post("/v1/authorization/check", &questions)),
        ("bob in acme", app.bob().within("acme").post("/v1/authorization/check", &questions)),
        ("alice in globex", app.alice().within("globex").post("/v1/authorization/check", &questions)),
    ]));
}

/// Alice may read policies by her allow-all; Bob may read people alone.
#[rstest]
fn policies_are_named_to_those_alone_who_may_read_them(app: App) {
    app.sql(
        r#"INSERT INTO policies (tenant_id, id, effect, resource, verbs, condition, digest)
           SELECT t.id, p.id::uuid, p.effect::policy_effect, p.resource, '{read}', p.condition::jsonb, sha256(p.id::bytea)
           FROM tenants AS t,
             (VALUES
               ('019a0000-0000-7003-8000-000000000001', 'deny', 'user',
                '{"any": [{"attribute": {"name": "tenant.max_users", "at_most": 1}}, {"owner": {}}]}'),
               ('019a0000-0000-7003-8000-000000000002', 'allow', 'billing',
                '{"all": [{"client_addr": ["192.0.2.0/24"]}, {"not": {"feature": "sso"}}, {"plan": "enterprise"}]}'),
               ('019a0000-0000-7003-8000-000000000003', 'allow', 'billing', '{"any": [{"moon": "full"}, {"plan": 1}]}')
             ) AS p (id, effect, resource, condition)
           WHERE t.slug = 'acme'"#,
    );
    let (alice, bob) = (app.seed.users.alice.id, app.seed.users.bob.id);
    let questions = json!({"questions": [
        {"permission": "billing:read"},
        {"permission": "user:read"},
        {"permission": "user:read", "owner": alice},
        {"permission": "user:read", "owner": bob},
    ]})
    .to_string();
    let ask = |client: crate::client::Client| client.within("acme").post("/v1/authorization/check", &questions);
    let unnamed = ask(app.bob());
    for name in ["019a0000", "conditions", "client_addr"] {
        assert!(!unnamed.body.contains(name), "{name}");
    }
    let admin = ask(app.alice());
    // A member who may read policies, and nothing else: what isn't allowed is explained, too.
    app.sql("UPDATE policies SET resource = 'policy' WHERE resource = 'user' AND role_id IS NOT NULL");
    snapshot!(transcript([
        ("bob, who may not read policies", unnamed),
        ("alice, who may", admin),
        ("bob, who now may", ask(app.bob()))
    ]));
}

#[rstest]
fn a_question_about_somebodys_resource_looks_at_its_owner(app: App) {
    app.sql(r#"UPDATE policies SET condition = '{"owner": {}}' WHERE resource = 'user'"#);
    let (alice, bob) = (app.seed.users.alice.id, app.seed.users.bob.id);
    let questions = json!({"questions": [
        {"permission": "user:read"},
        {"permission": "user:read", "owner": alice},
        {"permission": "user:read", "owner": bob},
    ]});
    let answer = app.bob().within("acme").post("/v1/authorization/check", &questions.to_string()).json();
    let allowed: Vec<_> =
        answer["answers"].as_array().unwrap().iter().map(|a| a["allowed"].as_bool().unwrap()).collect();
    assert_eq!(allowed, [false, false, true]);
}

#[rstest]
fn questions_that_do_not_fit_are_named_by_their_place(app: App) {
    let acme = app.bob().within("acme");
    let ask = |body: serde_json::Value| acme.post("/v1/authorization/check", &body.to_string());
    let many = vec![json!({"permission": "user:read"}); 101];
    snapshot!(transcript([
        (
            "two that aren't known",
            ask(json!({"questions": [
                {"permission": "user:hunter2"}, {"permission": "user:read"}, {"permission": "*"},
            ]}))
        ),
        ("none", ask(json!({"questions": []}))),
        ("101", ask(json!({"questions": many}))),
        ("an owner that is no id", ask(json!({"questions": [{"permission": "user:read", "owner": "hunter2"}]}))),
    ]));
    assert_eq!(ask(json!({"questions": &many[..100]})).status, 200);
}
