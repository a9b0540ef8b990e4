//! The fixture of the invitation tests.

use std::sync::Arc;

use authorization_api::{
    AcceptError, InvitationToken, InvitationWithToken, Invitations, InvitationsError, MemberInvite, UserTenant,
};
use kernel::{Email, Identity, Permit, TenancyMode, UserId};
use shaku::HasComponent;
use test_support::{TestDb, TestTenant};

use crate::helpers::module_in_mode;

/// Returns the invitation service in a tenancy mode.
pub(crate) fn invitations(db: &TestDb, mode: TenancyMode) -> Arc<dyn Invitations> {
    module_in_mode(db, mode).resolve()
}

/// A tenant with an admin, and the invitation service.
pub(crate) struct InvitationFixture {
    pub(crate) db: TestDb,
    pub(crate) tenant: TestTenant,
    pub(crate) admin: UserId,
    pub(crate) invitations: Arc<dyn Invitations>,
}

impl InvitationFixture {
    pub(crate) async fn new(db: TestDb) -> Self {
        let tenant = db.create_tenant().await;
        let admin = db.create_member(&tenant, tenant.admin_role).await;
        let invitations = invitations(&db, TenancyMode::default());
        Self { db, tenant, admin, invitations }
    }

    /// Returns the service of a new instance, so that tests with many tasks don't reach the queue limit of one.
    pub(crate) fn service_of_new_instance(&self) -> Arc<dyn Invitations> {
        invitations(&self.db, TenancyMode::default())
    }

    pub(crate) async fn permit(&self, user: UserId) -> Arc<Permit<MemberInvite>> {
        Arc::new(self.db.permit(user, self.tenant.id).await.unwrap())
    }

    /// Creates a user who isn't a member.
    pub(crate) async fn non_member(&self) -> Arc<Identity> {
        let user = self.db.create_user().await;
        self.db.identity(user).await.unwrap()
    }

    /// Invites this address into the role `member`, as the admin.
    pub(crate) async fn invite(&self, email: &Email) -> Result<InvitationWithToken, InvitationsError> {
        self.invitations.create(&*self.permit(self.admin).await, email, self.tenant.member_role).await
    }

    pub(crate) async fn accept(&self, invitee: &Identity, token: &InvitationToken) -> Result<UserTenant, AcceptError> {
        self.invitations.accept(invitee, token).await
    }

    pub(crate) async fn set_seat_limit(&self, seats: u16) {
        self.db.execute(&format!("UPDATE tenant_attributes SET seat_limit = {seats}")).await;
    }

    /// Expires all invitations: backdates them by more than their lifetime of seven days.
    pub(crate) async fn expire_invitations(&self) {
        self.db.execute("UPDATE invitations SET created_at = created_at - interval '8 days', expires_at = expires_at - interval '8 days'")
            .await;
    }

    /// Returns all rows of memberships and invitations, as text.
    pub(crate) async fn rows(&self) -> (Vec<String>, Vec<String>) {
        let mut superuser = self.db.superuser().await;
        let members = "SELECT m::text FROM memberships AS m ORDER BY 1";
        let invitations = "SELECT i::text FROM invitations AS i ORDER BY 1";
        (
            sqlx::query_scalar(members).fetch_all(&mut superuser).await.unwrap(),
            sqlx::query_scalar(invitations).fetch_all(&mut superuser).await.unwrap(),
        )
    }

    pub(crate) async fn counts(&self) -> Counts {
        let (members, invitations) = self.rows().await;
        Counts { members: members.len(), invitations: invitations.len() }
    }
}

/// The number of members and invitations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) members: usize,
    pub(crate) invitations: usize,
}

pub(crate) fn test_email(name: impl std::fmt::Display) -> Email {
    format!("{name}@example.com").parse().unwrap()
}
