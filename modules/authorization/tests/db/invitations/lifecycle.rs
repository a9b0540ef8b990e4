//! The lifecycle of an invitation.

use authorization_api::{InvitationId, InvitationToken, InvitationWithToken, MemberInvite, UserRead};
use kernel::{RoleId, TenancyMode};
use rstest::rstest;
use test_support::{TestDb, test_db};

use super::fixture::{Counts, InvitationFixture, invitations, test_email};
use crate::helpers::outcome;

#[rstest]
#[tokio::test]
async fn acceptance_creates_membership_with_role(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    let (tenant, carol) = (&fixture.tenant, fixture.non_member().await);
    let InvitationWithToken { invitation, token } = fixture.invite(carol.email()).await.unwrap();
    assert_eq!((&invitation.email, invitation.invited_by), (carol.email(), fixture.admin));
    assert_eq!((invitation.role.id, invitation.role.name.as_str()), (tenant.member_role, "member"));
    assert_eq!((invitation.expires_at - invitation.created_at, invitation.expired), (time::Duration::days(7), false));

    let joined = fixture.accept(&carol, &token).await.unwrap();
    assert_eq!((joined.id, joined.slug.as_str(), joined.name.as_str()), (tenant.id, tenant.slug.as_str(), "Made Up"));
    assert_eq!(joined.role, invitation.role);
    assert!(fixture.db.permit::<UserRead>(carol.user(), tenant.id).await.is_ok());
    assert!(fixture.db.permit::<MemberInvite>(carol.user(), tenant.id).await.is_err());
    assert_eq!(fixture.counts().await, Counts { members: 2, invitations: 0 });
    // The token is single-use.
    assert_eq!(outcome(&fixture.accept(&carol, &token).await), "NotFound");
}

#[rstest]
#[tokio::test]
async fn only_token_hash_is_stored(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    let created = fixture.invite(&test_email("carol")).await.unwrap();
    let (hash, same): (Vec<u8>, bool) = sqlx::query_as("SELECT token_hash, token_hash = sha256($1) FROM invitations")
        .bind(created.token.secret().as_slice())
        .fetch_one(&mut fixture.db.superuser().await)
        .await
        .unwrap();
    assert!(same && hash != created.token.secret());
}

#[rstest]
#[tokio::test]
async fn mismatched_token_is_not_found(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    let (carol, other) = (fixture.non_member().await, fixture.non_member().await);
    let token = fixture.invite(carol.email()).await.unwrap().token;
    let before = fixture.rows().await;
    let unknown = InvitationToken::from_bytes([7; InvitationToken::LENGTH]);
    assert_eq!(outcome(&fixture.accept(&carol, &unknown).await), "NotFound");
    assert_eq!(outcome(&fixture.accept(&other, &token).await), "NotFound");
    assert_eq!(fixture.rows().await, before);

    let admin = fixture.admin;
    for (breaking_sql, repairing_sql) in [
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
        let (breaking_sql, repairing_sql) =
            (breaking_sql.replace("{admin}", &admin.to_string()), repairing_sql.replace("{admin}", &admin.to_string()));
        fixture.db.execute(&breaking_sql).await;
        let before = fixture.rows().await;
        assert_eq!(outcome(&fixture.accept(&carol, &token).await), "NotFound", "{breaking_sql}");
        assert_eq!(fixture.rows().await, before, "{breaking_sql}");
        fixture.db.execute(&repairing_sql).await;
    }
    assert_eq!(outcome(&fixture.accept(&carol, &token).await), "Ok");
}

#[rstest]
#[tokio::test]
async fn one_open_invitation_per_email(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    let carol = fixture.non_member().await;
    let first = fixture.invite(carol.email()).await.unwrap();
    let before = fixture.rows().await;
    assert_eq!(outcome(&fixture.invite(carol.email()).await), "AlreadyInvited");
    assert_eq!(fixture.rows().await, before);

    fixture.expire_invitations().await;
    let listed = fixture.invitations.list(&*fixture.permit(fixture.admin).await, None, 10).await.unwrap();
    assert_eq!((listed.len(), listed[0].id, listed[0].expired), (1, first.invitation.id, true));
    let second = fixture.invite(carol.email()).await.unwrap();
    assert_ne!(second.invitation.id, first.invitation.id);
    assert_eq!(fixture.counts().await, Counts { members: 1, invitations: 1 });
    assert_eq!(outcome(&fixture.accept(&carol, &first.token).await), "NotFound");
    assert_eq!(outcome(&fixture.accept(&carol, &second.token).await), "Ok");
}

#[rstest]
#[tokio::test]
async fn inviting_existing_member_is_rejected(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    let (member, non_member) = (fixture.non_member().await, fixture.non_member().await);
    fixture.db.add_member(&fixture.tenant, member.user(), fixture.tenant.member_role).await;
    let before = fixture.rows().await;
    assert_eq!(outcome(&fixture.invite(member.email()).await), "AlreadyMember");
    // A deactivated user is still a member.
    fixture.db.execute(&format!("UPDATE users SET deactivated_at = now() WHERE id = '{}'", member.user())).await;
    assert_eq!(outcome(&fixture.invite(member.email()).await), "AlreadyMember");
    assert_eq!(fixture.rows().await, before);
    for email in [non_member.email(), &test_email("unknown")] {
        assert_eq!(outcome(&fixture.invite(email).await), "Ok");
        assert_eq!(outcome(&fixture.invite(email).await), "AlreadyInvited");
    }
}

#[rstest]
#[tokio::test]
async fn other_tenants_role_is_not_found(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    let other_tenant = fixture.db.create_tenant().await;
    let permit = fixture.permit(fixture.admin).await;
    for role in [other_tenant.member_role, RoleId::new()] {
        let result = fixture.invitations.create(&permit, &test_email("carol"), role).await;
        assert_eq!(outcome(&result), "RoleNotFound");
    }
    assert_eq!(fixture.counts().await, Counts { members: 1, invitations: 0 });
}

#[rstest]
#[tokio::test]
async fn resend_rotates_token_and_expiry(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    let carol = fixture.non_member().await;
    let other_admin = fixture.db.create_member(&fixture.tenant, fixture.tenant.admin_role).await;
    let first = fixture.invite(carol.email()).await.unwrap();
    fixture.expire_invitations().await;
    assert_eq!(outcome(&fixture.accept(&carol, &first.token).await), "NotFound");

    let permit = fixture.permit(other_admin).await;
    let second = fixture.invitations.resend(&permit, first.invitation.id).await.unwrap();
    assert_eq!((second.invitation.id, second.invitation.expired), (first.invitation.id, false));
    assert_eq!((&second.invitation.role, second.invitation.invited_by), (&first.invitation.role, other_admin));
    // Created eight days ago, expires in seven.
    assert!(second.invitation.expires_at - second.invitation.created_at >= time::Duration::days(15));
    assert_eq!(outcome(&fixture.accept(&carol, &first.token).await), "NotFound");
    // The first sender doesn't have to be a member anymore.
    fixture.db.execute(&format!("DELETE FROM memberships WHERE user_id = '{}'", fixture.admin)).await;
    assert_eq!(outcome(&fixture.accept(&carol, &second.token).await), "Ok");
}

#[rstest]
#[tokio::test]
async fn revoked_or_other_tenants_invitation_is_not_found(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    let carol = fixture.non_member().await;
    let InvitationWithToken { invitation, token } = fixture.invite(carol.email()).await.unwrap();

    let other_tenant = fixture.db.create_tenant().await;
    let non_member = fixture.db.create_member(&other_tenant, other_tenant.admin_role).await;
    let foreign = fixture.db.permit::<MemberInvite>(non_member, other_tenant.id).await.unwrap();
    let before = fixture.rows().await;
    assert_eq!(fixture.invitations.list(&foreign, None, 10).await.unwrap(), []);
    assert_eq!(outcome(&fixture.invitations.resend(&foreign, invitation.id).await), "NotFound");
    assert_eq!(outcome(&fixture.invitations.revoke(&foreign, invitation.id).await), "NotFound");
    assert_eq!(fixture.rows().await, before);

    let permit = fixture.permit(fixture.admin).await;
    assert_eq!(outcome(&fixture.invitations.revoke(&permit, invitation.id).await), "Ok");
    assert_eq!(outcome(&fixture.invitations.revoke(&permit, invitation.id).await), "NotFound");
    assert_eq!(outcome(&fixture.invitations.resend(&permit, invitation.id).await), "NotFound");
    assert_eq!(outcome(&fixture.accept(&carol, &token).await), "NotFound");
    assert_eq!(fixture.counts().await.invitations, 0);
}

#[rstest]
#[tokio::test]
async fn list_continues_after_cursor(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    let mut ids: Vec<InvitationId> = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(fixture.invite(&test_email(name)).await.unwrap().invitation.id);
    }
    ids.sort();
    let permit = fixture.permit(fixture.admin).await;
    let page = async |after| -> Vec<InvitationId> {
        let page = fixture.invitations.list(&permit, after, 2).await.unwrap();
        page.into_iter().map(|invitation| invitation.id).collect()
    };
    assert_eq!((page(None).await, page(Some(ids[1])).await), (ids[..2].to_vec(), ids[2..].to_vec()));
}

#[rstest]
#[tokio::test]
async fn open_invitation_reserves_seat(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    fixture.set_seat_limit(3).await;
    let first = fixture.invite(&test_email("one")).await.unwrap();
    assert_eq!(outcome(&fixture.invite(&test_email("two")).await), "Ok");
    assert_eq!(outcome(&fixture.invite(&test_email("three")).await), "SeatLimitReached");
    // Resending an open invitation doesn't take another seat.
    let permit = fixture.permit(fixture.admin).await;
    assert_eq!(outcome(&fixture.invitations.resend(&permit, first.invitation.id).await), "Ok");

    fixture.expire_invitations().await;
    for name in ["three", "four"] {
        assert_eq!(outcome(&fixture.invite(&test_email(name)).await), "Ok");
    }
    let before = fixture.rows().await;
    assert_eq!(outcome(&fixture.invitations.resend(&permit, first.invitation.id).await), "SeatLimitReached");
    assert_eq!(outcome(&fixture.invite(&first.invitation.email).await), "SeatLimitReached");
    assert_eq!(fixture.rows().await, before);
}

#[rstest]
#[tokio::test]
async fn failed_acceptance_keeps_invitation(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    let carol = fixture.non_member().await;
    let token = fixture.invite(carol.email()).await.unwrap().token;
    fixture.set_seat_limit(1).await;
    let before = fixture.rows().await;
    assert_eq!(outcome(&fixture.accept(&carol, &token).await), "SeatLimitReached");
    assert_eq!(fixture.rows().await, before);

    fixture.db.add_member(&fixture.tenant, carol.user(), fixture.tenant.admin_role).await;
    let before = fixture.rows().await;
    assert_eq!(outcome(&fixture.accept(&carol, &token).await), "AlreadyMember");
    assert_eq!(fixture.rows().await, before);
}

#[rstest]
#[tokio::test]
async fn personal_tenant_accepts_no_members(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    let carol = fixture.non_member().await;
    // Created in another tenancy mode.
    let created = fixture.invite(carol.email()).await.unwrap();
    let (personal, permit) = (invitations(&fixture.db, TenancyMode::Personal), fixture.permit(fixture.admin).await);
    let before = fixture.rows().await;
    let another = personal.create(&permit, &test_email("dana"), fixture.tenant.member_role).await;
    assert_eq!(outcome(&another), "PersonalMode");
    assert_eq!(outcome(&personal.resend(&permit, created.invitation.id).await), "PersonalMode");
    assert_eq!(outcome(&personal.accept(&carol, &created.token).await), "NotFound");
    assert_eq!(fixture.rows().await, before);
    assert_eq!(outcome(&personal.revoke(&permit, created.invitation.id).await), "Ok");
}
