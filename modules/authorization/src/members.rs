//! The members of a tenant.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{
    contracts::{Member, Members, MembersError, Permit, UserId, UserRead},
    db::Database,
};
use shaku::Component;

use crate::postgres::MembershipRepository;

/// The use cases behind `GET /v1/members` and `GET /v1/users/{id}`.
#[derive(Component)]
#[shaku(interface = Members)]
pub(crate) struct TenantMembers {
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(inject)]
    memberships: Arc<dyn MembershipRepository>,
}

#[async_trait]
impl Members for TenantMembers {
    async fn list(
        &self,
        permit: &Permit<UserRead>,
        after: Option<UserId>,
        limit: u16,
    ) -> Result<Vec<Member>, MembersError> {
        Ok(self.memberships.page(&self.database.tenant_reader(permit.scope()), after, limit).await?)
    }

    async fn get(&self, permit: &Permit<UserRead>, user: UserId) -> Result<Member, MembersError> {
        let found = self.memberships.find(&self.database.tenant_reader(permit.scope()), user).await?;
        found.ok_or(MembersError::NotFound)
    }
}
