//! The escalation check, which runs when an invitation is created and when it is accepted.

use std::sync::Arc;

use authorization_api::{RoleManage, Roles, RolesError};
use rstest::rstest;
use shaku::HasComponent;
use test_support::{TestDb, test_db};

use super::fixture::{InvitationFixture, test_email};
use crate::helpers::{module, outcome};

#[rstest]
#[tokio::test]
async fn inviter_cannot_grant_missing_permission(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    let (tenant, carol) = (&fixture.tenant, fixture.non_member().await);
    let inviter_role = fixture.db.create_role(tenant, ["member", "invite"]).await;
    let inviter = fixture.db.create_member(tenant, inviter_role).await;
    let (admin_permit, permit) = (fixture.permit(fixture.admin).await, fixture.permit(inviter).await);
    let admin_invitation = fixture.invitations.create(&admin_permit, carol.email(), tenant.admin_role).await.unwrap();

    let before = fixture.rows().await;
    for role in [tenant.member_role, tenant.admin_role] {
        assert_eq!(
            outcome(&fixture.invitations.create(&permit, &test_email("dana"), role).await),
            "PrivilegeEscalation"
        );
    }
    // Resending is checked too, since the caller becomes the inviter.
    let id = admin_invitation.invitation.id;
    assert_eq!(outcome(&fixture.invitations.resend(&permit, id).await), "PrivilegeEscalation");
    assert_eq!(
        fixture.rows().await,
        before,
        "a rejected invitation changes nothing: check before writing, or roll back"
    );
    assert_eq!(outcome(&fixture.accept(&carol, &admin_invitation.token).await), "Ok");
    assert_eq!(outcome(&fixture.invitations.create(&permit, &test_email("dana"), inviter_role).await), "Ok");
}

#[rstest]
#[tokio::test]
async fn inviter_cannot_revoke_broader_invitation(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    let tenant = &fixture.tenant;
    let inviter_role = fixture.db.create_role(tenant, ["member", "invite"]).await;
    let inviter = fixture.db.create_member(tenant, inviter_role).await;
    let (admin_permit, permit) = (fixture.permit(fixture.admin).await, fixture.permit(inviter).await);
    let dana = fixture.invitations.create(&permit, &test_email("dana"), inviter_role).await.unwrap();
    // Revoking is checked, because it removes the invited permissions.
    let erin = fixture.invitations.create(&admin_permit, &test_email("erin"), tenant.admin_role).await.unwrap();
    assert_eq!(outcome(&fixture.invitations.revoke(&permit, erin.invitation.id).await), "RemovalNotPermitted");
    assert_eq!(outcome(&fixture.invitations.revoke(&permit, dana.invitation.id).await), "Ok");
    assert_eq!(outcome(&fixture.invitations.revoke(&admin_permit, erin.invitation.id).await), "Ok");
}

#[rstest]
#[tokio::test]
async fn acceptance_rechecks_inviters_permissions(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    let (tenant, carol) = (&fixture.tenant, fixture.non_member().await);
    let (inviter_role, invited_role) = (
        fixture.db.create_role(tenant, ["member", "invite"]).await,
        fixture.db.create_role(tenant, ["member", "invite"]).await,
    );
    let inviter = fixture.db.create_member(tenant, inviter_role).await;
    let first = fixture.invitations.create(&*fixture.permit(inviter).await, carol.email(), invited_role).await.unwrap();
    // The role gets more permissions, or the inviter fewer.
    let (broaden, narrow) =
        ("UPDATE policies SET resource = '*', verbs = '{*}'", "UPDATE policies SET verbs = '{read}'");
    let reset = "UPDATE policies SET resource = 'member', verbs = '{invite}'";
    for (change, role) in [(broaden, invited_role), (narrow, inviter_role)] {
        fixture.db.execute(&format!("{change} WHERE role_id = '{role}'")).await;
        let before = fixture.rows().await;
        assert_eq!(outcome(&fixture.accept(&carol, &first.token).await), "NotFound", "{change}");
        assert_eq!(fixture.rows().await, before, "{change}");
        fixture.db.execute(&format!("{reset} WHERE role_id = '{role}'")).await;
    }
    // An admin can invite into any role.
    fixture.db.execute(&format!("{broaden} WHERE role_id = '{invited_role}'")).await;
    let second = fixture.invitations.resend(&*fixture.permit(fixture.admin).await, first.invitation.id).await.unwrap();
    assert_eq!(outcome(&fixture.accept(&carol, &second.token).await), "Ok");
}

#[rstest]
#[tokio::test]
async fn demoted_inviter_invalidates_invitation(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    let (tenant, carol) = (&fixture.tenant, fixture.non_member().await);
    let everything = fixture.db.create_role(tenant, ["*", "*"]).await;
    let inviter = fixture.db.create_member(tenant, everything).await;
    let permit = fixture.permit(inviter).await;
    let created = fixture.invitations.create(&permit, carol.email(), tenant.member_role).await.unwrap();
    let set_role = |role| format!("UPDATE memberships SET role_id = '{role}' WHERE user_id = '{inviter}'");
    // The inviter still has everything that the role grants, but not `member:invite`.
    fixture.db.execute(&set_role(tenant.member_role)).await;
    assert_eq!(outcome(&fixture.accept(&carol, &created.token).await), "NotFound");
    fixture.db.execute(&set_role(everything)).await;
    assert_eq!(outcome(&fixture.accept(&carol, &created.token).await), "Ok");
}

#[rstest]
#[tokio::test]
async fn demoted_inviter_cannot_change_invitations(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    let created = fixture.invite(&test_email("carol")).await.unwrap();
    let (id, member, admin) = (created.invitation.id, fixture.tenant.member_role, fixture.tenant.admin_role);
    let permit = fixture.permit(fixture.admin).await;
    let (demote, promote) =
        (format!("UPDATE memberships SET role_id = '{member}'"), format!("UPDATE memberships SET role_id = '{admin}'"));
    for (change, undo, expected) in [
        (demote.as_str(), promote.as_str(), "Denied"),
        ("UPDATE tenants SET status = 'archived'", "UPDATE tenants SET status = 'active'", "NoLongerMember"),
        ("UPDATE users SET deactivated_at = now()", "UPDATE users SET deactivated_at = NULL", "NoLongerMember"),
        ("DELETE FROM memberships", "SELECT", "NoLongerMember"),
    ] {
        fixture.db.execute(change).await;
        let before = fixture.rows().await;
        assert_eq!(
            outcome(&fixture.invitations.create(&permit, &test_email("dana"), member).await),
            expected,
            "{change}"
        );
        assert_eq!(outcome(&fixture.invitations.resend(&permit, id).await), expected, "{change}");
        assert_eq!(outcome(&fixture.invitations.revoke(&permit, id).await), expected, "{change}");
        assert_eq!(fixture.rows().await, before, "{change}");
        fixture.db.execute(undo).await;
    }
}

#[rstest]
#[tokio::test]
async fn role_with_open_invitation_is_undeletable(#[future(awt)] test_db: TestDb) {
    let fixture = InvitationFixture::new(test_db).await;
    let roles: Arc<dyn Roles> = module(&fixture.db).resolve();
    let role = fixture.db.create_role(&fixture.tenant, ["user", "read"]).await;
    let (permit, invite) = (
        fixture.db.permit::<RoleManage>(fixture.admin, fixture.tenant.id).await.unwrap(),
        fixture.permit(fixture.admin).await,
    );
    let created = fixture.invitations.create(&invite, &test_email("carol"), role).await.unwrap();
    assert!(matches!(roles.delete(&permit, role).await, Err(RolesError::InUse)));
    fixture.invitations.revoke(&invite, created.invitation.id).await.unwrap();
    roles.delete(&permit, role).await.unwrap();
}
