//! Concurrent invitation operations.

use std::{collections::BTreeMap, sync::Arc};

use authorization_api::{InvitationToken, InvitationWithToken, InvitationsError, TenantArchive, Tenants};
use rstest::rstest;
use shaku::HasComponent;
use test_support::{TestDb, test_db};
use tokio::task::JoinSet;

use super::fixture::{Counts, InvitationFixture, test_email};
use crate::helpers::{counted, module, outcome, outcomes};

/// Copies a token for another task. `InvitationToken` isn't `Clone`, because it is a secret.
fn clone_token(token: &InvitationToken) -> InvitationToken {
    InvitationToken::from_bytes(*token.secret())
}

/// What to do if one of these tests fails.
const LOCK: &str = "lock the tenant before reading, and commit the transaction";

#[rstest]
#[tokio::test]
async fn concurrent_acceptance_creates_one_membership(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    let carol = fixture.non_member().await;
    let token = fixture.invite(carol.email()).await.unwrap().token;
    let mut tasks = JoinSet::new();
    for _ in 0..300 {
        let (invitations, carol, token) = (fixture.service_of_new_instance(), carol.clone(), clone_token(&token));
        tasks.spawn(async move { outcome(&invitations.accept(&carol, &token).await) });
    }
    assert_eq!(outcomes(tasks).await, counted([("Ok", 1), ("NotFound", 299)]), "a token is used once: {LOCK}");
    assert_eq!(fixture.counts().await, Counts { members: 2, invitations: 0 }, "members and invitations: {LOCK}");
}

#[rstest]
#[tokio::test]
async fn concurrent_invitations_respect_seat_limit(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    fixture.set_seat_limit(25).await;
    let permit = fixture.permit(fixture.admin).await;
    let mut tasks = JoinSet::new();
    for number in 0..200 {
        let (invitations, permit, role) =
            (fixture.service_of_new_instance(), permit.clone(), fixture.tenant.member_role);
        tasks.spawn(async move { outcome(&invitations.create(&permit, &test_email(number), role).await) });
    }
    assert_eq!(outcomes(tasks).await, counted([("Ok", 24), ("SeatLimitReached", 176)]), "seat limit of 25: {LOCK}");
    assert_eq!(fixture.counts().await, Counts { members: 1, invitations: 24 }, "members and invitations: {LOCK}");
}

#[rstest]
#[tokio::test]
async fn concurrent_invitations_to_email_create_one(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    let permit = fixture.permit(fixture.admin).await;
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let (invitations, permit, role) =
            (fixture.service_of_new_instance(), permit.clone(), fixture.tenant.member_role);
        tasks.spawn(async move { outcome(&invitations.create(&permit, &test_email("carol"), role).await) });
    }
    assert_eq!(
        outcomes(tasks).await,
        counted([("AlreadyInvited", 99), ("Ok", 1)]),
        "one invitation per address: {LOCK}"
    );
}

/// The seat limit is lowered after the invitations were created.
#[rstest]
#[tokio::test]
async fn concurrent_acceptances_respect_seat_limit(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    fixture.set_seat_limit(301).await;
    let mut invited = Vec::new();
    for _ in 0..300 {
        let user = fixture.non_member().await;
        let token = fixture.invite(user.email()).await.unwrap().token;
        invited.push((user, token));
    }
    fixture.set_seat_limit(25).await;
    let mut tasks = JoinSet::new();
    for (user, token) in invited {
        let invitations = fixture.service_of_new_instance();
        tasks.spawn(async move { outcome(&invitations.accept(&user, &token).await) });
    }
    assert_eq!(outcomes(tasks).await, counted([("Ok", 24), ("SeatLimitReached", 276)]), "seat limit of 25: {LOCK}");
    assert_eq!(fixture.counts().await, Counts { members: 25, invitations: 276 }, "members and invitations: {LOCK}");
}

#[rstest]
#[tokio::test]
async fn accept_and_revoke_are_serializable(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    fixture.set_seat_limit(100).await;
    for round in 0..10 {
        let carol = fixture.non_member().await;
        let InvitationWithToken { invitation, token } = fixture.invite(carol.email()).await.unwrap();
        let (mut accepting, mut revoking) = (JoinSet::new(), JoinSet::new());
        let permit = fixture.permit(fixture.admin).await;
        for _ in 0..10 {
            let (accept_service, revoke_service) = (fixture.invitations.clone(), fixture.invitations.clone());
            let permit = permit.clone();
            let (carol, token) = (carol.clone(), clone_token(&token));
            accepting.spawn(async move { outcome(&accept_service.accept(&carol, &token).await) });
            revoking.spawn(async move { outcome(&revoke_service.revoke(&permit, invitation.id).await) });
        }
        let done = |outcomes: BTreeMap<String, usize>| outcomes.get("Ok").copied().unwrap_or_default();
        let (accepted, revoked) = (done(outcomes(accepting).await), done(outcomes(revoking).await));
        assert_eq!(accepted + revoked, 1, "round {round}");
        assert_eq!(fixture.db.scope(carol.user(), fixture.tenant.id).await.is_ok(), accepted == 1, "round {round}");
        assert_eq!(fixture.counts().await.invitations, 0, "round {round}");
    }
}

#[rstest]
#[tokio::test]
async fn accept_and_archive_are_serializable(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    fixture.set_seat_limit(100).await;
    let tenants: Arc<dyn Tenants> = module(&fixture.db).resolve();
    for round in 0..10 {
        let carol = fixture.non_member().await;
        let token = fixture.invite(carol.email()).await.unwrap().token;
        let before = fixture.counts().await;
        let archive = fixture.db.permit::<TenantArchive>(fixture.admin, fixture.tenant.id).await.unwrap();
        let (invitations, invitee, tenants) = (fixture.invitations.clone(), carol.clone(), tenants.clone());
        let accepting = tokio::spawn(async move { outcome(&invitations.accept(&invitee, &token).await) });
        let archiving = tokio::spawn(async move { tenants.archive(&archive).await });
        let (accepted, archived) = (accepting.await.unwrap(), archiving.await.unwrap());
        archived.unwrap();
        let Counts { members, invitations } = before;
        let after = fixture.counts().await;
        match accepted.as_str() {
            "Ok" => {
                assert_eq!(after, Counts { members: members + 1, invitations: invitations - 1 }, "round {round}");
            }
            accepted => assert_eq!((accepted, after), ("NotFound", before), "round {round}"),
        }
        fixture.db.execute("UPDATE tenants SET status = 'active'; DELETE FROM invitations").await;
    }
}

#[rstest]
#[tokio::test]
async fn accept_and_resend_are_serializable(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    fixture.set_seat_limit(100).await;
    let permit = fixture.permit(fixture.admin).await;
    for round in 0..10 {
        let carol = fixture.non_member().await;
        let InvitationWithToken { invitation, token } = fixture.invite(carol.email()).await.unwrap();
        let (accept_service, resend_service) = (fixture.invitations.clone(), fixture.invitations.clone());
        let (permit, user) = (permit.clone(), carol.clone());
        let accepting = tokio::spawn(async move { outcome(&accept_service.accept(&user, &token).await) });
        let resending = tokio::spawn(async move { resend_service.resend(&permit, invitation.id).await });
        let (accepted, resent) = (accepting.await.unwrap(), resending.await.unwrap());
        match (accepted.as_str(), &resent) {
            ("Ok", Err(InvitationsError::NotFound)) => {}
            ("NotFound", Ok(InvitationWithToken { token, .. })) => {
                assert_eq!(outcome(&fixture.accept(&carol, token).await), "Ok", "round {round}");
            }
            (accepted, resent) => panic!("round {round}: {accepted}, {resent:?}"),
        }
        assert_eq!(fixture.counts().await.invitations, 0, "round {round}");
    }
}
