//! What each of the people sees: whole answers.

use rstest::rstest;

use crate::client::{App, app, transcript};

#[rstest]
fn alice_in_acme_reads_everything(app: App) {
    let (alice, bob) = (app.alice(), app.seed.users.bob.id);
    let acme = alice.within("acme");
    snapshot!(transcript([
        ("GET /v1/me", alice.get("/v1/me")),
        ("GET /v1/members", acme.get("/v1/members")),
        ("GET /v1/users/{bob}", acme.get(&format!("/v1/users/{bob}"))),
        ("GET /v1/subscription", acme.get("/v1/subscription")),
    ]));
}

#[rstest]
fn bob_in_acme_reads_people_and_nothing_else(app: App) {
    let (bob, alice) = (app.bob(), app.seed.users.alice.id);
    let acme = bob.within("acme");
    snapshot!(transcript([
        ("GET /v1/me", bob.get("/v1/me")),
        ("GET /v1/members", acme.get("/v1/members")),
        ("GET /v1/users/{alice}", acme.get(&format!("/v1/users/{alice}"))),
        ("GET /v1/subscription", acme.get("/v1/subscription")),
    ]));
}

#[rstest]
fn health_is_for_everybody(app: App) {
    let nobody = app.nobody();
    snapshot!(transcript([
        ("GET /health/live", nobody.get("/health/live")),
        ("GET /health/ready", nobody.get("/health/ready")),
    ]));
}

#[rstest]
fn a_database_that_is_gone_is_503_and_the_program_lives(app: App) {
    let alice = app.alice();
    app.cut_off();
    let nobody = app.nobody();
    assert_eq!(nobody.get("/health/live").status, 200);
    snapshot!(transcript([("GET /health/ready", nobody.get("/health/ready")), ("GET /v1/me", alice.get("/v1/me")),]));
}
