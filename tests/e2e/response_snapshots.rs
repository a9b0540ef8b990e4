//! Snapshots of whole responses for an admin, a member and an anonymous caller.

use kernel::UserId;
use rstest::rstest;
use serde_json::json;

use crate::client::{Client, TestApp, app, transcript};

/// Returns what the user may read of Acme. `name` is that of the other member.
fn reads(user: &Client, name: &str, other: UserId) -> String {
    let acme = user.in_tenant("acme");
    transcript([
        ("GET /v1/me", user.get("/v1/me")),
        ("GET /v1/members", acme.get("/v1/members")),
        (format!("GET /v1/members/{{{name}}}").as_str(), acme.get(&format!("/v1/members/{other}"))),
        ("GET /v1/subscription", acme.get("/v1/subscription")),
    ])
}

#[rstest]
fn admin_responses_snapshot(app: TestApp) {
    snapshot!(reads(&app.alice(), "bob", app.seed.users.bob.id));
}

#[rstest]
fn member_responses_snapshot(app: TestApp) {
    snapshot!(reads(&app.bob(), "alice", app.seed.users.alice.id));
}

#[rstest]
fn health_is_public(app: TestApp) {
    let anonymous = app.anonymous();
    snapshot!(transcript([
        ("GET /health/live", anonymous.get("/health/live")),
        ("GET /health/ready", anonymous.get("/health/ready")),
    ]));
}

#[rstest]
fn database_outage_returns_503(app: TestApp) {
    let alice = app.alice();
    app.disconnect_database();
    let anonymous = app.anonymous();
    assert_eq!(anonymous.get("/health/live").status, 200);
    snapshot!(transcript([
        ("GET /health/ready", anonymous.get("/health/ready")),
        ("GET /v1/me", alice.get("/v1/me")),
        ("GET /v1/members", alice.in_tenant("acme").get("/v1/members")),
        ("POST /v1/roles", alice.in_tenant("acme").post("/v1/roles", json!({"name": "auditor"}))),
    ]));
}
