//! Snapshots of whole responses for an admin, a member and an anonymous caller.

use rstest::rstest;

use crate::client::{TestApp, app, transcript};

#[rstest]
fn admin_responses_snapshot(app: TestApp) {
    let (alice, bob) = (app.alice(), app.seed.users.bob.id);
    let acme = alice.in_tenant("acme");
    snapshot!(transcript([
        ("GET /v1/me", alice.get("/v1/me")),
        ("GET /v1/members", acme.get("/v1/members")),
        ("GET /v1/members/{bob}", acme.get(&format!("/v1/members/{bob}"))),
        ("GET /v1/subscription", acme.get("/v1/subscription")),
    ]));
}

#[rstest]
fn member_responses_snapshot(app: TestApp) {
    let (bob, alice) = (app.bob(), app.seed.users.alice.id);
    let acme = bob.in_tenant("acme");
    snapshot!(transcript([
        ("GET /v1/me", bob.get("/v1/me")),
        ("GET /v1/members", acme.get("/v1/members")),
        ("GET /v1/members/{alice}", acme.get(&format!("/v1/members/{alice}"))),
        ("GET /v1/subscription", acme.get("/v1/subscription")),
    ]));
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
    snapshot!(transcript(
        [("GET /health/ready", anonymous.get("/health/ready")), ("GET /v1/me", alice.get("/v1/me")),]
    ));
}
