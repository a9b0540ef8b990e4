//! A tenant that people are invited into, and what came of it.

use std::sync::Arc;

use authorization::AuthorizationModuleImpl;
use kernel::contracts::{
    AcceptError, ChangeError, Email, Identity, InvitationToken, Invitations, InvitationsError, MemberInvite,
    UserTenant, Permit, InvitationWithToken, TenancyMode, UserId,
};
use kernel::shaku_value::ValueModule;
use shaku::HasComponent;
use sqlx::AssertSqlSafe;
use test_support::{TestTenant, TestDb};

/// The use cases, in a program of this tenancy mode.
pub(crate) fn invitations(db: &TestDb, tenancy: TenancyMode) -> Arc<dyn Invitations> {
    AuthorizationModuleImpl::builder(db.db.module(), ValueModule::new(Arc::new(tenancy))).build().resolve()
}

/// A tenant with an admin, and what the tests say of it.
pub(crate) struct InvitationFixture {
    pub(crate) db: TestDb,
    pub(crate) tenant: TestTenant,
    pub(crate) admin: UserId,
    pub(crate) invitations: Arc<dyn Invitations>,
}

impl InvitationFixture {
    pub(crate) async fn new(db: TestDb) -> Self {
        let (tenant, admin) = (db.create_tenant().await, db.create_user().await);
        db.add_member(&tenant, admin, tenant.admin_role).await;
        let invitations = invitations(&db, TenancyMode::default());
        Self { db, tenant, admin, invitations }
    }

    pub(crate) async fn permit(&self, user: UserId) -> Arc<Permit<MemberInvite>> {
        Arc::new(self.db.permit(user, self.tenant.id).await.unwrap())
    }

    /// Somebody with an account and without a membership.
    pub(crate) async fn non_member(&self) -> Arc<Identity> {
        let user = self.db.create_user().await;
        self.db.identity(user).await.unwrap()
    }

    /// The admin invites this address to be a member.
    pub(crate) async fn invite(&self, email: &Email) -> Result<InvitationWithToken, InvitationsError> {
        self.invitations.create(&*self.permit(self.admin).await, email, self.tenant.member_role).await
    }

    pub(crate) async fn accept(&self, who: &Identity, token: &InvitationToken) -> Result<UserTenant, AcceptError> {
        self.invitations.accept(who, token).await
    }

    pub(crate) async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.db.superuser().await).await.unwrap();
    }

    pub(crate) async fn set_seat_limit(&self, seats: u16) {
        self.execute(&format!("UPDATE tenant_attributes SET seat_limit = {seats}")).await;
    }

    /// As if all invitations had been made eight days ago.
    pub(crate) async fn expire_invitations(&self) {
        self.execute("UPDATE invitations SET created_at = created_at - interval '8 days', expires_at = expires_at - interval '8 days'")
            .await;
    }

    /// Every member and every invitation there is, whole.
    pub(crate) async fn snapshot(&self) -> (Vec<String>, Vec<String>) {
        let mut owner = self.db.superuser().await;
        let members = "SELECT m::text FROM memberships AS m ORDER BY 1";
        let invitations = "SELECT i::text FROM invitations AS i ORDER BY 1";
        (
            sqlx::query_scalar(members).fetch_all(&mut owner).await.unwrap(),
            sqlx::query_scalar(invitations).fetch_all(&mut owner).await.unwrap(),
        )
    }

    /// How many members and invitations there are.
    pub(crate) async fn counts(&self) -> (usize, usize) {
        let (members, invitations) = self.snapshot().await;
        (members.len(), invitations.len())
    }
}

pub(crate) fn test_email(name: impl std::fmt::Display) -> Email {
    format!("{name}@example.com").parse().unwrap()
}

pub(crate) fn invite_outcome<T>(result: &Result<T, InvitationsError>) -> &'static str {
    match result {
        Ok(_) => "done",
        Err(InvitationsError::NotFound) => "not found",
        Err(InvitationsError::RoleNotFound) => "no such role",
        Err(InvitationsError::AlreadyMember) => "already a member",
        Err(InvitationsError::AlreadyInvited) => "already invited",
        Err(InvitationsError::SeatLimitReached) => "no seat",
        Err(InvitationsError::PersonalMode) => "personal",
        Err(InvitationsError::Change(ChangeError::PrivilegeEscalation { .. })) => "not held",
        Err(InvitationsError::Change(ChangeError::Denied(_))) => "denied",
        Err(InvitationsError::Change(ChangeError::NoLongerMember)) => "gone",
        Err(error) => panic!("{error:?}"),
    }
}

pub(crate) fn accept_outcome(result: &Result<UserTenant, AcceptError>) -> &'static str {
    match result {
        Ok(_) => "done",
        Err(AcceptError::NotFound) => "not found",
        Err(AcceptError::AlreadyMember) => "already a member",
        Err(AcceptError::SeatLimitReached) => "no seat",
        Err(AcceptError::Db(error)) => panic!("{error:?}"),
    }
}
