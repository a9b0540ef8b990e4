//! A tenant that people are invited into, and what came of it.

use std::sync::Arc;

use authorization::AuthorizationModuleImpl;
use kernel::contracts::{
    AcceptError, ChangeRefused, Email, Identity, InvitationToken, Invitations, InvitationsError, MemberInvite,
    MyTenant, Permit, SentInvitation, Tenancy, UserId,
};
use kernel::di::Given;
use shaku::HasComponent;
use sqlx::AssertSqlSafe;
use test_support::{MadeTenant, TestDb};

/// The use cases, in a program of this tenancy mode.
pub(crate) fn invitations(db: &TestDb, tenancy: Tenancy) -> Arc<dyn Invitations> {
    AuthorizationModuleImpl::builder(db.db.module(), Given::new(Arc::new(tenancy))).build().resolve()
}

/// A tenant with an admin, and what the tests say of it.
pub(crate) struct House {
    pub(crate) db: TestDb,
    pub(crate) tenant: MadeTenant,
    pub(crate) admin: UserId,
    pub(crate) invitations: Arc<dyn Invitations>,
}

impl House {
    pub(crate) async fn of(db: TestDb) -> Self {
        let (tenant, admin) = (db.make_tenant().await, db.make_user().await);
        db.make_member(&tenant, admin, tenant.admin_role).await;
        let invitations = invitations(&db, Tenancy::default());
        Self { db, tenant, admin, invitations }
    }

    pub(crate) async fn permit(&self, user: UserId) -> Arc<Permit<MemberInvite>> {
        Arc::new(self.db.permit(user, self.tenant.id).await.unwrap())
    }

    /// Somebody with an account and without a membership.
    pub(crate) async fn stranger(&self) -> Arc<Identity> {
        let user = self.db.make_user().await;
        self.db.identity(user).await.unwrap()
    }

    /// The admin invites this address to be a member.
    pub(crate) async fn invite(&self, email: &Email) -> Result<SentInvitation, InvitationsError> {
        self.invitations.invite(&*self.permit(self.admin).await, email, self.tenant.member_role).await
    }

    pub(crate) async fn accept(&self, who: &Identity, token: &InvitationToken) -> Result<MyTenant, AcceptError> {
        self.invitations.accept(who, token).await
    }

    pub(crate) async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.db.owner().await).await.unwrap();
    }

    pub(crate) async fn seats(&self, seats: u16) {
        self.execute(&format!("UPDATE tenant_attributes SET max_users = {seats}")).await;
    }

    /// As if all invitations had been made eight days ago.
    pub(crate) async fn a_week_passes(&self) {
        self.execute("UPDATE invitations SET created_at = created_at - interval '8 days', expires_at = expires_at - interval '8 days'")
            .await;
    }

    /// Every member and every invitation there is, whole.
    pub(crate) async fn everything(&self) -> (Vec<String>, Vec<String>) {
        let mut owner = self.db.owner().await;
        let members = "SELECT m::text FROM memberships AS m ORDER BY 1";
        let invitations = "SELECT i::text FROM invitations AS i ORDER BY 1";
        (
            sqlx::query_scalar(members).fetch_all(&mut owner).await.unwrap(),
            sqlx::query_scalar(invitations).fetch_all(&mut owner).await.unwrap(),
        )
    }

    /// How many members and invitations there are.
    pub(crate) async fn counts(&self) -> (usize, usize) {
        let (members, invitations) = self.everything().await;
        (members.len(), invitations.len())
    }
}

pub(crate) fn address(name: impl std::fmt::Display) -> Email {
    format!("{name}@example.com").parse().unwrap()
}

pub(crate) fn invited<T>(result: &Result<T, InvitationsError>) -> &'static str {
    match result {
        Ok(_) => "done",
        Err(InvitationsError::NotFound) => "not found",
        Err(InvitationsError::NoSuchRole) => "no such role",
        Err(InvitationsError::AlreadyMember) => "already a member",
        Err(InvitationsError::AlreadyInvited) => "already invited",
        Err(InvitationsError::NoSeatLeft) => "no seat",
        Err(InvitationsError::Personal) => "personal",
        Err(InvitationsError::Refused(ChangeRefused::NotHeld { .. })) => "not held",
        Err(InvitationsError::Refused(ChangeRefused::Denied(_))) => "denied",
        Err(InvitationsError::Refused(ChangeRefused::Gone)) => "gone",
        Err(error) => panic!("{error:?}"),
    }
}

pub(crate) fn accepted(result: &Result<MyTenant, AcceptError>) -> &'static str {
    match result {
        Ok(_) => "done",
        Err(AcceptError::NotFound) => "not found",
        Err(AcceptError::AlreadyMember) => "already a member",
        Err(AcceptError::NoSeatLeft) => "no seat",
        Err(AcceptError::Db(error)) => panic!("{error:?}"),
    }
}
