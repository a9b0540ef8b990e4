//! Many at once.

use std::{collections::BTreeMap, sync::Arc};

use authorization::AuthorizationModuleImpl;
use kernel::contracts::{InvitationToken, InvitationsError, SentInvitation, TenantArchive, Tenants};
use kernel::di::Given;
use rstest::rstest;
use shaku::HasComponent;
use test_support::{TestDb, db};
use tokio::task::JoinSet;

use super::house::{House, accepted, address, invited};

/// A token once more, for one task each.
fn again(token: &InvitationToken) -> InvitationToken {
    InvitationToken::of(*token.secret())
}

/// What came of many tries, and how often.
async fn outcomes(mut tries: JoinSet<&'static str>) -> BTreeMap<&'static str, usize> {
    let mut outcomes = BTreeMap::new();
    while let Some(outcome) = tries.join_next().await {
        *outcomes.entry(outcome.unwrap()).or_default() += 1;
    }
    outcomes
}

#[rstest]
#[tokio::test]
async fn three_hundred_acceptances_of_one_token_at_once_make_one_membership(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    let carol = house.stranger().await;
    let token = house.invite(carol.email()).await.unwrap().token;
    let mut tries = JoinSet::new();
    for _ in 0..300 {
        let (invitations, carol, token) = (house.invitations.clone(), carol.clone(), again(&token));
        tries.spawn(async move { accepted(&invitations.accept(&carol, &token).await) });
    }
    assert_eq!(outcomes(tries).await, [("done", 1), ("not found", 299)].into());
    assert_eq!(house.counts().await, (2, 0));
}

#[rstest]
#[tokio::test]
async fn two_hundred_invitations_at_once_take_the_seats_there_are(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    house.seats(25).await;
    let permit = house.permit(house.admin).await;
    let mut tries = JoinSet::new();
    for number in 0..200 {
        let (invitations, permit, role) = (house.invitations.clone(), permit.clone(), house.tenant.member_role);
        tries.spawn(async move { invited(&invitations.invite(&permit, &address(number), role).await) });
    }
    assert_eq!(outcomes(tries).await, [("done", 24), ("no seat", 176)].into());
    assert_eq!(house.counts().await, (1, 24));
}

#[rstest]
#[tokio::test]
async fn one_address_invited_a_hundred_times_at_once_is_invited_once(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    let permit = house.permit(house.admin).await;
    let mut tries = JoinSet::new();
    for _ in 0..100 {
        let (invitations, permit, role) = (house.invitations.clone(), permit.clone(), house.tenant.member_role);
        tries.spawn(async move { invited(&invitations.invite(&permit, &address("carol"), role).await) });
    }
    assert_eq!(outcomes(tries).await, [("already invited", 99), ("done", 1)].into());
}

/// Seats can be fewer by then than there were when they were invited.
#[rstest]
#[tokio::test]
async fn three_hundred_people_who_accept_at_once_take_the_seats_there_are(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    house.seats(301).await;
    let mut invited = Vec::new();
    for _ in 0..300 {
        let person = house.stranger().await;
        let token = house.invite(person.email()).await.unwrap().token;
        invited.push((person, token));
    }
    house.seats(25).await;
    let mut tries = JoinSet::new();
    for (person, token) in invited {
        let invitations = house.invitations.clone();
        tries.spawn(async move { accepted(&invitations.accept(&person, &token).await) });
    }
    assert_eq!(outcomes(tries).await, [("done", 24), ("no seat", 276)].into());
    assert_eq!(house.counts().await, (25, 276));
}

#[rstest]
#[tokio::test]
async fn accepting_and_revoking_at_once_is_the_one_or_the_other(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    house.seats(100).await;
    for round in 0..10 {
        let carol = house.stranger().await;
        let SentInvitation { invitation, token } = house.invite(carol.email()).await.unwrap();
        let (mut accepting, mut revoking) = (JoinSet::new(), JoinSet::new());
        let permit = house.permit(house.admin).await;
        for _ in 0..10 {
            let (one, other, permit) = (house.invitations.clone(), house.invitations.clone(), permit.clone());
            let (carol, token) = (carol.clone(), again(&token));
            accepting.spawn(async move { accepted(&one.accept(&carol, &token).await) });
            revoking.spawn(async move { invited(&other.revoke(&permit, invitation.id).await) });
        }
        let done = |outcomes: BTreeMap<&'static str, usize>| outcomes.get("done").copied().unwrap_or_default();
        let (joined, revoked) = (done(outcomes(accepting).await), done(outcomes(revoking).await));
        assert_eq!(joined + revoked, 1, "round {round}");
        assert_eq!(house.db.scope(carol.user(), house.tenant.id).await.is_ok(), joined == 1, "round {round}");
        assert_eq!(house.counts().await.1, 0, "round {round}");
    }
}

#[rstest]
#[tokio::test]
async fn accepting_and_archiving_at_once_leaves_no_half_of_either(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    house.seats(100).await;
    let tenants: Arc<dyn Tenants> =
        AuthorizationModuleImpl::builder(house.db.db.module(), Given::new(Arc::default())).build().resolve();
    for round in 0..10 {
        let carol = house.stranger().await;
        let token = house.invite(carol.email()).await.unwrap().token;
        let before = house.counts().await;
        let archive = house.db.permit::<TenantArchive>(house.admin, house.tenant.id).await.unwrap();
        let (invitations, accepting, life) = (house.invitations.clone(), carol.clone(), tenants.clone());
        let accepting = tokio::spawn(async move { accepted(&invitations.accept(&accepting, &token).await) });
        let archiving = tokio::spawn(async move { life.archive(&archive).await });
        let (outcome, archived) = (accepting.await.unwrap(), archiving.await.unwrap());
        archived.unwrap();
        let (members, invitations) = before;
        let after = house.counts().await;
        match outcome {
            "done" => assert_eq!(after, (members + 1, invitations - 1), "round {round}"),
            outcome => assert_eq!((outcome, after), ("not found", before), "round {round}"),
        }
        house.execute("UPDATE tenants SET status = 'active'; DELETE FROM invitations").await;
    }
}

#[rstest]
#[tokio::test]
async fn accepting_while_it_is_sent_again_uses_the_old_link_or_the_new_one_and_never_both(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    house.seats(100).await;
    let permit = house.permit(house.admin).await;
    for round in 0..10 {
        let carol = house.stranger().await;
        let SentInvitation { invitation, token } = house.invite(carol.email()).await.unwrap();
        let (one, other, permit, person) =
            (house.invitations.clone(), house.invitations.clone(), permit.clone(), carol.clone());
        let accepting = tokio::spawn(async move { accepted(&one.accept(&person, &token).await) });
        let sending = tokio::spawn(async move { other.resend(&permit, invitation.id).await });
        let (old, sent) = (accepting.await.unwrap(), sending.await.unwrap());
        match (old, &sent) {
            ("done", Err(InvitationsError::NotFound)) => {}
            ("not found", Ok(SentInvitation { token, .. })) => {
                assert_eq!(accepted(&house.accept(&carol, token).await), "done", "round {round}");
            }
            (old, sent) => panic!("round {round}: {old}, {sent:?}"),
        }
        assert_eq!(house.counts().await.1, 0, "round {round}");
    }
}
