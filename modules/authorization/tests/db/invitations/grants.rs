//! What inviters may give: asked when they invite, and again when it is accepted.

use std::sync::Arc;

use authorization::AuthorizationModuleImpl;
use kernel::contracts::{RoleManage, Roles, RolesError};
use kernel::di::Given;
use rstest::rstest;
use shaku::HasComponent;
use test_support::{TestDb, db};

use super::house::{House, accepted, address, invited};

#[rstest]
#[tokio::test]
async fn nobody_invites_into_more_than_they_hold(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    let (tenant, carol, inviter) = (&house.tenant, house.stranger().await, house.db.make_user().await);
    let inviting = house.db.make_role(tenant, ["member", "invite"]).await;
    house.db.make_member(tenant, inviter, inviting).await;
    let (admins, permit) = (house.permit(house.admin).await, house.permit(inviter).await);
    let into_admin = house.invitations.invite(&admins, carol.email(), tenant.admin_role).await.unwrap();

    let before = house.everything().await;
    for role in [tenant.member_role, tenant.admin_role] {
        assert_eq!(invited(&house.invitations.invite(&permit, &address("dana"), role).await), "not held");
    }
    // Sending again is inviting, and makes its sender answer for it.
    let id = into_admin.invitation.id;
    assert_eq!(invited(&house.invitations.resend(&permit, id).await), "not held");
    assert_eq!(house.everything().await, before);
    assert_eq!(accepted(&house.accept(&carol, &into_admin.token).await), "done");

    let own = house.invitations.invite(&permit, &address("dana"), inviting).await;
    assert_eq!(invited(&own), "done");
    // Taking one back gives nobody anything.
    let erin = house.invitations.invite(&admins, &address("erin"), tenant.admin_role).await.unwrap();
    assert_eq!(invited(&house.invitations.revoke(&permit, erin.invitation.id).await), "done");
}

#[rstest]
#[tokio::test]
async fn an_invitation_gives_no_more_than_its_sender_could_still_give(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    let (tenant, carol, inviter) = (&house.tenant, house.stranger().await, house.db.make_user().await);
    let (inviting, same) = (
        house.db.make_role(tenant, ["member", "invite"]).await,
        house.db.make_role(tenant, ["member", "invite"]).await,
    );
    house.db.make_member(tenant, inviter, inviting).await;
    let first = house.invitations.invite(&*house.permit(inviter).await, carol.email(), same).await.unwrap();
    // The role may do more by now, or the inviter less.
    let (more, less) = ("UPDATE policies SET resource = '*', verbs = '{*}'", "UPDATE policies SET verbs = '{read}'");
    let back = "UPDATE policies SET resource = 'member', verbs = '{invite}'";
    for (spoilt, role) in [(more, same), (less, inviting)] {
        house.execute(&format!("{spoilt} WHERE role_id = '{role}'")).await;
        let before = house.everything().await;
        assert_eq!(accepted(&house.accept(&carol, &first.token).await), "not found", "{spoilt}");
        assert_eq!(house.everything().await, before, "{spoilt}");
        house.execute(&format!("{back} WHERE role_id = '{role}'")).await;
    }
    // An admin may give whatever it is.
    house.execute(&format!("{more} WHERE role_id = '{same}'")).await;
    let second = house.invitations.resend(&*house.permit(house.admin).await, first.invitation.id).await.unwrap();
    assert_eq!(accepted(&house.accept(&carol, &second.token).await), "done");
}

#[rstest]
#[tokio::test]
async fn who_invites_nobody_any_more_has_invited_nobody(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    let (tenant, carol, inviter) = (&house.tenant, house.stranger().await, house.db.make_user().await);
    let everything = house.db.make_role(tenant, ["*", "*"]).await;
    house.db.make_member(tenant, inviter, everything).await;
    let permit = house.permit(inviter).await;
    let sent = house.invitations.invite(&permit, carol.email(), tenant.member_role).await.unwrap();
    let give = |role| format!("UPDATE memberships SET role_id = '{role}' WHERE user_id = '{inviter}'");
    // A member like the one whom they invited: they hold all that they give, and invite nobody.
    house.execute(&give(tenant.member_role)).await;
    assert_eq!(accepted(&house.accept(&carol, &sent.token).await), "not found");
    house.execute(&give(everything)).await;
    assert_eq!(accepted(&house.accept(&carol, &sent.token).await), "done");
}

#[rstest]
#[tokio::test]
async fn who_was_let_in_and_may_invite_no_more_changes_nothing(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    let sent = house.invite(&address("carol")).await.unwrap();
    let (id, member, admin) = (sent.invitation.id, house.tenant.member_role, house.tenant.admin_role);
    let permit = house.permit(house.admin).await;
    let (demote, promote) =
        (format!("UPDATE memberships SET role_id = '{member}'"), format!("UPDATE memberships SET role_id = '{admin}'"));
    for (spoilt, mended, outcome) in [
        (demote.as_str(), promote.as_str(), "denied"),
        ("UPDATE tenants SET status = 'archived'", "UPDATE tenants SET status = 'active'", "gone"),
        ("UPDATE users SET deactivated_at = now()", "UPDATE users SET deactivated_at = NULL", "gone"),
        ("DELETE FROM memberships", "SELECT", "gone"),
    ] {
        house.execute(spoilt).await;
        let before = house.everything().await;
        assert_eq!(invited(&house.invitations.invite(&permit, &address("dana"), member).await), outcome, "{spoilt}");
        assert_eq!(invited(&house.invitations.resend(&permit, id).await), outcome, "{spoilt}");
        assert_eq!(invited(&house.invitations.revoke(&permit, id).await), outcome, "{spoilt}");
        assert_eq!(house.everything().await, before, "{spoilt}");
        house.execute(mended).await;
    }
}

#[rstest]
#[tokio::test]
async fn a_role_that_somebody_is_invited_into_is_not_deleted(#[future(awt)] db: TestDb) {
    let house = House::of(db).await;
    let roles: Arc<dyn Roles> =
        AuthorizationModuleImpl::builder(house.db.db.module(), Given::new(Arc::default())).build().resolve();
    let role = house.db.make_role(&house.tenant, ["user", "read"]).await;
    let (permit, invite) =
        (house.db.permit::<RoleManage>(house.admin, house.tenant.id).await.unwrap(), house.permit(house.admin).await);
    let sent = house.invitations.invite(&invite, &address("carol"), role).await.unwrap();
    assert!(matches!(roles.delete(&permit, role).await, Err(RolesError::InUse)));
    house.invitations.revoke(&invite, sent.invitation.id).await.unwrap();
    roles.delete(&permit, role).await.unwrap();
}
