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
         SELECT id, gen_random_uuid(), 'deny', 'billing', '{read}', sha256('1') FROM tenants WHERE slug = 'globex'",
    );
    snapshot!(transcript([
        ("alice in acme", app.alice().within("acme").post("/v1/authorization/check", &questions)),
        ("bob in acme", app.bob().within("acme").post("/v1/authorization/check", &questions)),
        ("alice in globex", app.alice().within("globex").post("/v1/authorization/check", &questions)),
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
