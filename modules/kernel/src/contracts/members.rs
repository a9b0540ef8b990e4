//! The members of a tenant.

use async_trait::async_trait;
use shaku::Interface;
use time::OffsetDateTime;

use super::{ChangeRefused, Permit, Person, RoleId, RoleSummary, TenantScope, UserId, UserRead};
use crate::db::DbError;

crate::permission! {
    /// Give a member another role.
    pub MemberUpdate = "member", "update";
}

crate::permission! {
    /// Remove a member from the tenant.
    pub MemberRemove = "member", "remove";
}

/// A member of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The person.
    pub person: Person,
    /// What they are here.
    pub role: RoleSummary,
    /// Since when.
    pub since: OffsetDateTime,
}

/// Why a member can't be shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum MembersError {
    /// Not a member of this tenant, if a person at all: nobody learns which.
    #[error("no such member")]
    NotFound,
    /// The tenant has no such role.
    #[error("no such role")]
    NoSuchRole,
    /// It isn't the caller's to do.
    #[error(transparent)]
    Refused(#[from] ChangeRefused),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The members of a tenant. A person's own record is none of a tenant's business: see [`super::Profiles`].
#[async_trait]
pub trait Members: Interface {
    /// A page of members by id, from the first one after `after`; at most `limit`.
    async fn list(
        &self,
        permit: &Permit<UserRead>,
        after: Option<UserId>,
        limit: u16,
    ) -> Result<Vec<Member>, MembersError>;

    /// One member.
    async fn get(&self, permit: &Permit<UserRead>, user: UserId) -> Result<Member, MembersError>;

    /// Gives the member another role, which must be within what the caller may grant.
    async fn change_role(
        &self,
        permit: &Permit<MemberUpdate>,
        user: UserId,
        role: RoleId,
    ) -> Result<Member, MembersError>;

    /// Ends the membership, from the member's next request on.
    async fn remove(&self, permit: &Permit<MemberRemove>, user: UserId) -> Result<(), MembersError>;

    /// Ends one's own membership. It takes no permission.
    async fn leave(&self, scope: &TenantScope) -> Result<(), MembersError>;
}
