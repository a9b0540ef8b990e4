//! Inviting, resending, revoking and accepting, against a real server.
#![expect(clippy::disallowed_methods, reason = "tests look behind the queries, and provoke")]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::{collections::BTreeMap, sync::Arc};

use authorization::AuthorizationModuleImpl;
use kernel::contracts::{
    AcceptError, ChangeRefused, Email, Identity, InvitationId, InvitationToken, Invitations, InvitationsError,
    MemberInvite, MyTenant, Permit, RoleId, RoleManage, Roles, RolesError, SentInvitation, TenantArchive, Tenants,
    UserId, UserRead,
};
use rstest::rstest;
use shaku::HasComponent;
use sqlx::AssertSqlSafe;
use test_support::{MadeTenant, TestDb, db};
use tokio::task::JoinSet;

/// A tenant with an admin, and what the tests say of it.
struct House {
    db: TestDb,
    tenant: MadeTenant,
    admin: UserId,
    invitations: Arc<dyn Invitations>,
}

impl House {
    async fn of(db: TestDb) -> Self {
        let (tenant, admin) = (db.make_tenant().await, db.make_user().await);
        db.make_member(&tenant, admin, tenant.admin_role).await;
        let invitations = AuthorizationModuleImpl::builder(db.db.module()).build().resolve();
        Self { db, tenant, admin, invitations }
    }

    async fn permit(&self, user: UserId) -> Arc<Permit<MemberInvite>> {
        Arc::new(self.db.permit(user, self.tenant.id).await.unwrap())
    }

    /// Somebody with an account and without a membership.
    async fn stranger(&self) -> Arc<Identity> {
        let user = self.db.make_user().await;
        self.db.identity(user).await.unwrap()
    }

    /// The admin invites this address to be a member.
    async fn invite(&self, email: &Email) -> Result<SentInvitation, InvitationsError> {
        self.invitations.invite(&*self.permit(self.admin).await, email, self.tenant.member_role).await
    }

    async fn accept(&self, who: &Identity, token: &InvitationToken) -> Result<MyTenant, AcceptError> {
        self.invitations.accept(who, token).await
    }

    async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.db.owner().await).await.unwrap();
    }

    async fn seats(&self, seats: u16) {
        self.execute(&format!("UPDATE tenant_attributes SET max_users = {seats}")).await;
    }

    /// As if all invitations had been made eight days ago.
    async fn a_week_passes(&self) {
        self.execute("UPDATE invitations SET created_at = created_at - interval '8 days', expires_at = expires_at - interval '8 days'")
            .await;
    }

    /// Every member and every invitation there is, whole.
    async fn everything(&self) -> (Vec<String>, Vec<String>) {
        let mut owner = self.db.owner().await;
        let members = "SELECT m::text FROM memberships AS m ORDER BY 1";
        let invitations = "SELECT i::text FROM invitations AS i ORDER BY 1";
        (
            sqlx::query_scalar(members).fetch_all(&mut owner).await.unwrap(),
            sqlx::query_scalar(invitations).fetch_all(&mut owner).await.unwrap(),
        )
    }

    /// How many members and invitations there are.
    async fn counts(&self) -> (usize, usize) {
        let (members, invitations) = self.everything().await;
        (members.len(), invitations.len())
    }
}

fn address(name: impl std::fmt::Display) -> Email {
    format!("{name}@example.com").parse().unwrap()
}

/// A token once more, for one task each.
fn again(token: &InvitationToken) -> InvitationToken {
    InvitationToken::of(*token.secret())
}

fn invited<T>(result: &Result<T, InvitationsError>) -> &'static str {
    match result {
        Ok(_) => "done",
        Err(InvitationsError::NotFound) => "not found",
        Err(InvitationsError::NoSuchRole) => "no such role",
        Err(InvitationsError::AlreadyMember) => "already a member",
        Err(InvitationsError::AlreadyInvited) => "already invited",
        Err(InvitationsError::NoSeatLeft) => "no seat",
        Err(InvitationsError::Refused(ChangeRefused::NotHeld { .. })) => "not held",
        Err(InvitationsError::Refused(ChangeRefused::Denied(_))) => "denied",
        Err(InvitationsError::Refused(ChangeRefused::Gone)) => "gone",
        Err(error) => panic!("{error:?}"),
    }
}

fn accepted(result: &Result<MyTenant, AcceptError>) -> &'static str {
    match result {
        Ok(_) => "done",
        Err(AcceptError::NotFound) => "not found",
        Err(AcceptError::AlreadyMember) => "already a member",
        Err(AcceptError::NoSeatLeft) => "no seat",
        Err(AcceptError::Db(error)) => panic!("{error:?}"),
    }
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
    let roles: Arc<dyn Roles> = AuthorizationModuleImpl::builder(house.db.db.module()).build().resolve();
    let role = house.db.make_role(&house.tenant, ["user", "read"]).await;
    let (permit, invite) =
        (house.db.permit::<RoleManage>(house.admin, house.tenant.id).await.unwrap(), house.permit(house.admin).await);
    let sent = house.invitations.invite(&invite, &address("carol"), role).await.unwrap();
    assert!(matches!(roles.delete(&permit, role).await, Err(RolesError::InUse)));
    house.invitations.revoke(&invite, sent.invitation.id).await.unwrap();
    roles.delete(&permit, role).await.unwrap();
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
    let tenants: Arc<dyn Tenants> = AuthorizationModuleImpl::builder(house.db.db.module()).build().resolve();
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
