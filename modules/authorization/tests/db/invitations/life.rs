//! What becomes of an invitation.

use kernel::contracts::{InvitationId, InvitationToken, MemberInvite, RoleId, SentInvitation, Tenancy, UserRead};
use rstest::rstest;
use test_support::{TestDb, db};

use super::house::{House, accepted, address, invitations, invited};

#[rstest]
#[tokio::test]
async fn who_accepts_is_a_member_in_the_role_of_the_invitation(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    let (tenant, carol) = (&house.tenant, house.stranger().await);
    let SentInvitation { invitation, token } = house.invite(carol.email()).await.unwrap();
    assert_eq!((&invitation.email, invitation.invited_by), (carol.email(), house.admin));
    assert_eq!((invitation.role.id, invitation.role.name.as_str()), (tenant.member_role, "member"));
    assert_eq!((invitation.expires_at - invitation.created_at, invitation.expired), (time::Duration::days(7), false));

    let mine = house.accept(&carol, &token).await.unwrap();
    assert_eq!((mine.id, mine.slug.as_str(), mine.name.as_str()), (tenant.id, tenant.slug.as_str(), "Made Up"));
    assert_eq!(mine.role, invitation.role);
    assert!(house.db.permit::<UserRead>(carol.user(), tenant.id).await.is_ok());
    assert!(house.db.permit::<MemberInvite>(carol.user(), tenant.id).await.is_err());
    assert_eq!(house.counts().await, (2, 0));
    // Once.
    assert_eq!(accepted(&house.accept(&carol, &token).await), "not found");
}

#[rstest]
#[tokio::test]
async fn of_a_token_its_hash_alone_is_stored(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    let sent = house.invite(&address("carol")).await.unwrap();
    let (hash, same): (Vec<u8>, bool) = sqlx::query_as("SELECT token_hash, token_hash = sha256($1) FROM invitations")
        .bind(sent.token.secret().as_slice())
        .fetch_one(&mut house.db.owner().await)
        .await
        .unwrap();
    assert!(same && hash != sent.token.secret());
}

#[rstest]
#[tokio::test]
async fn whatever_does_not_fit_the_token_finds_nothing_and_changes_nothing(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    let (carol, other) = (house.stranger().await, house.stranger().await);
    let token = house.invite(carol.email()).await.unwrap().token;
    let before = house.everything().await;
    let unknown = InvitationToken::of([7; InvitationToken::LENGTH]);
    assert_eq!(accepted(&house.accept(&carol, &unknown).await), "not found");
    assert_eq!(accepted(&house.accept(&other, &token).await), "not found");
    assert_eq!(house.everything().await, before);

    let admin = house.admin;
    for (spoilt, mended) in [
        ("UPDATE tenants SET status = 'archived'", "UPDATE tenants SET status = 'active'"),
        (
            "UPDATE invitations SET created_at = created_at - interval '7 days', expires_at = statement_timestamp()",
            "UPDATE invitations SET expires_at = now() + interval '1 hour'",
        ),
        ("UPDATE users SET deactivated_at = now() WHERE id = '{admin}'", "UPDATE users SET deactivated_at = NULL"),
        (
            "DELETE FROM memberships",
            "INSERT INTO memberships (tenant_id, user_id, role_id)
             SELECT tenant_id, '{admin}', id FROM roles WHERE name = 'admin'",
        ),
    ] {
        let (spoilt, mended) =
            (spoilt.replace("{admin}", &admin.to_string()), mended.replace("{admin}", &admin.to_string()));
        house.execute(&spoilt).await;
        let before = house.everything().await;
        assert_eq!(accepted(&house.accept(&carol, &token).await), "not found", "{spoilt}");
        assert_eq!(house.everything().await, before, "{spoilt}");
        house.execute(&mended).await;
    }
    assert_eq!(accepted(&house.accept(&carol, &token).await), "done");
}

#[rstest]
#[tokio::test]
async fn an_address_has_one_open_invitation_and_a_new_one_replaces_what_has_expired(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    let carol = house.stranger().await;
    let first = house.invite(carol.email()).await.unwrap();
    let before = house.everything().await;
    assert_eq!(invited(&house.invite(carol.email()).await), "already invited");
    assert_eq!(house.everything().await, before);

    house.a_week_passes().await;
    let listed = house.invitations.list(&*house.permit(house.admin).await, None, 10).await.unwrap();
    assert_eq!((listed.len(), listed[0].id, listed[0].expired), (1, first.invitation.id, true));
    let second = house.invite(carol.email()).await.unwrap();
    assert_ne!(second.invitation.id, first.invitation.id);
    assert_eq!(house.counts().await, (1, 1));
    assert_eq!(accepted(&house.accept(&carol, &first.token).await), "not found");
    assert_eq!(accepted(&house.accept(&carol, &second.token).await), "done");
}

#[rstest]
#[tokio::test]
async fn a_members_address_is_not_invited_and_a_stranger_is_like_nobody(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    let (member, stranger) = (house.stranger().await, house.stranger().await);
    house.db.make_member(&house.tenant, member.user(), house.tenant.member_role).await;
    let before = house.everything().await;
    assert_eq!(invited(&house.invite(member.email()).await), "already a member");
    // Deactivated, they are still a member.
    house.execute(&format!("UPDATE users SET deactivated_at = now() WHERE id = '{}'", member.user())).await;
    assert_eq!(invited(&house.invite(member.email()).await), "already a member");
    assert_eq!(house.everything().await, before);
    for email in [stranger.email(), &address("nobody")] {
        assert_eq!(invited(&house.invite(email).await), "done");
        assert_eq!(invited(&house.invite(email).await), "already invited");
    }
}

#[rstest]
#[tokio::test]
async fn a_role_of_another_tenant_is_no_role(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    let elsewhere = house.db.make_tenant().await;
    let permit = house.permit(house.admin).await;
    for role in [elsewhere.member_role, RoleId::new()] {
        let refused = house.invitations.invite(&permit, &address("carol"), role).await;
        assert_eq!(invited(&refused), "no such role");
    }
    assert_eq!(house.counts().await, (1, 0));
}

#[rstest]
#[tokio::test]
async fn sent_again_it_has_another_link_and_its_whole_time(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    let (carol, other_admin) = (house.stranger().await, house.db.make_user().await);
    house.db.make_member(&house.tenant, other_admin, house.tenant.admin_role).await;
    let first = house.invite(carol.email()).await.unwrap();
    house.a_week_passes().await;
    assert_eq!(accepted(&house.accept(&carol, &first.token).await), "not found");

    let permit = house.permit(other_admin).await;
    let second = house.invitations.resend(&permit, first.invitation.id).await.unwrap();
    assert_eq!((second.invitation.id, second.invitation.expired), (first.invitation.id, false));
    assert_eq!((&second.invitation.role, second.invitation.invited_by), (&first.invitation.role, other_admin));
    // Made eight days ago, and seven to come.
    assert!(second.invitation.expires_at - second.invitation.created_at >= time::Duration::days(15));
    assert_eq!(accepted(&house.accept(&carol, &first.token).await), "not found");
    // Whoever sent it first needn't be there any more.
    house.execute(&format!("DELETE FROM memberships WHERE user_id = '{}'", house.admin)).await;
    assert_eq!(accepted(&house.accept(&carol, &second.token).await), "done");
}

#[rstest]
#[tokio::test]
async fn what_is_revoked_is_gone_and_another_tenants_invitation_never_was(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    let carol = house.stranger().await;
    let SentInvitation { invitation, token } = house.invite(carol.email()).await.unwrap();

    let (elsewhere, stranger) = (house.db.make_tenant().await, house.db.make_user().await);
    house.db.make_member(&elsewhere, stranger, elsewhere.admin_role).await;
    let foreign = house.db.permit::<MemberInvite>(stranger, elsewhere.id).await.unwrap();
    let before = house.everything().await;
    assert_eq!(house.invitations.list(&foreign, None, 10).await.unwrap(), []);
    assert_eq!(invited(&house.invitations.resend(&foreign, invitation.id).await), "not found");
    assert_eq!(invited(&house.invitations.revoke(&foreign, invitation.id).await), "not found");
    assert_eq!(house.everything().await, before);

    let permit = house.permit(house.admin).await;
    assert_eq!(invited(&house.invitations.revoke(&permit, invitation.id).await), "done");
    assert_eq!(invited(&house.invitations.revoke(&permit, invitation.id).await), "not found");
    assert_eq!(invited(&house.invitations.resend(&permit, invitation.id).await), "not found");
    assert_eq!(accepted(&house.accept(&carol, &token).await), "not found");
    assert_eq!(house.counts().await.1, 0);
}

#[rstest]
#[tokio::test]
async fn a_list_goes_on_after_the_id_it_is_given(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    let mut ids: Vec<InvitationId> = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(house.invite(&address(name)).await.unwrap().invitation.id);
    }
    ids.sort();
    let permit = house.permit(house.admin).await;
    let page = async |after| -> Vec<InvitationId> {
        let page = house.invitations.list(&permit, after, 2).await.unwrap();
        page.into_iter().map(|invitation| invitation.id).collect()
    };
    assert_eq!((page(None).await, page(Some(ids[1])).await), (ids[..2].to_vec(), ids[2..].to_vec()));
}

#[rstest]
#[tokio::test]
async fn an_open_invitation_takes_a_seat_and_one_that_has_expired_does_not(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    house.seats(3).await;
    let first = house.invite(&address("one")).await.unwrap();
    assert_eq!(invited(&house.invite(&address("two")).await), "done");
    assert_eq!(invited(&house.invite(&address("three")).await), "no seat");
    // Its own seat is no obstacle to sending it again.
    let permit = house.permit(house.admin).await;
    assert_eq!(invited(&house.invitations.resend(&permit, first.invitation.id).await), "done");

    house.a_week_passes().await;
    for name in ["three", "four"] {
        assert_eq!(invited(&house.invite(&address(name)).await), "done");
    }
    let before = house.everything().await;
    assert_eq!(invited(&house.invitations.resend(&permit, first.invitation.id).await), "no seat");
    assert_eq!(invited(&house.invite(&first.invitation.email).await), "no seat");
    assert_eq!(house.everything().await, before);
}

#[rstest]
#[tokio::test]
async fn without_a_seat_or_as_a_member_already_nothing_is_accepted_and_the_invitation_stays(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    let carol = house.stranger().await;
    let token = house.invite(carol.email()).await.unwrap().token;
    house.seats(1).await;
    let before = house.everything().await;
    assert_eq!(accepted(&house.accept(&carol, &token).await), "no seat");
    assert_eq!(house.everything().await, before);

    house.db.make_member(&house.tenant, carol.user(), house.tenant.admin_role).await;
    let before = house.everything().await;
    assert_eq!(accepted(&house.accept(&carol, &token).await), "already a member");
    assert_eq!(house.everything().await, before);
}

#[rstest]
#[tokio::test]
async fn nobody_comes_into_somebodys_own_tenant(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    let carol = house.stranger().await;
    // Sent when the mode was another.
    let sent = house.invite(carol.email()).await.unwrap();
    let (personal, permit) = (invitations(&house.db, Tenancy::Personal), house.permit(house.admin).await);
    let before = house.everything().await;
    let another = personal.invite(&permit, &address("dana"), house.tenant.member_role).await;
    assert_eq!(invited(&another), "personal");
    assert_eq!(invited(&personal.resend(&permit, sent.invitation.id).await), "personal");
    assert_eq!(accepted(&personal.accept(&carol, &sent.token).await), "not found");
    assert_eq!(house.everything().await, before);
    assert_eq!(invited(&personal.revoke(&permit, sent.invitation.id).await), "done");
}
