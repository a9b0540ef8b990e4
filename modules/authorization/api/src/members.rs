//! The members of a tenant.

use async_trait::async_trait;
use db::DbError;
use kernel::{Email, Permit, RoleId, TenantScope, UserId};
use serde::Serialize;
use shaku::Interface;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{ChangeError, RoleSummary};

kernel::permission! {
    /// Read the members of the tenant.
    pub UserRead = "user", "read";
}

kernel::permission! {
    /// Change a member's role.
    pub MemberUpdate = "member", "update";
}

kernel::permission! {
    /// Remove a member from the tenant.
    pub MemberRemove = "member", "remove";
}

/// A member of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = MemberResponse)]
pub struct Member {
    /// The user's immutable id.
    #[schema(value_type = Uuid)]
    pub id: UserId,
    /// Unique among all users.
    #[schema(value_type = String, example = "alice@example.com")]
    pub email: Email,
    /// The user's display name.
    #[schema(example = "Alice Adams")]
    pub display_name: String,
    /// The member's role.
    pub role: RoleSummary,
    /// Start of the membership.
    #[serde(with = "time::serde::rfc3339")]
    pub member_since: OffsetDateTime,
    /// Whether the user's account is active. Deactivated users can't sign in.
    pub active: bool,
}

/// Reasons why a member can't be returned or changed.
#[derive(Debug, thiserror::Error)]
pub enum MembersError {
    /// Not a member of this tenant. Callers can't tell whether the user exists.
    #[error("no such member")]
    NotFound,
    /// The tenant has no such role.
    #[error("no such role")]
    RoleNotFound,
    /// The change is rejected by the escalation or last-admin check.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The members of a tenant. For users' own data see `Profiles` of the module `user`.
#[async_trait]
pub trait Members: Interface {
    /// Returns at most `limit` members with ids after `after`, ordered by id.
    async fn list(
        &self,
        permit: &Permit<UserRead>,
        after: Option<UserId>,
        limit: u16,
    ) -> Result<Vec<Member>, MembersError>;

    /// Returns a member.
    async fn get(&self, permit: &Permit<UserRead>, user: UserId) -> Result<Member, MembersError>;

    /// Updates the member's role. The caller must have each permission that the member gains or loses.
    async fn update_role(
        &self,
        permit: &Permit<MemberUpdate>,
        user: UserId,
        role: RoleId,
    ) -> Result<Member, MembersError>;

    /// Ends the membership, effective from the member's next request. The caller must have the member's permissions.
    async fn remove(&self, permit: &Permit<MemberRemove>, user: UserId) -> Result<(), MembersError>;

    /// Ends the caller's own membership. It requires no permission.
    async fn leave(&self, scope: &TenantScope) -> Result<(), MembersError>;
}
