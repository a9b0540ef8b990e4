//! The members of a tenant.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{
    contracts::{
        Member, MemberRemove, MemberUpdate, Members, MembersError, Permit, RoleId, TenantScope, UserId, UserRead,
    },
    db::Database,
};
use shaku::Component;

use crate::{
    change::{Change, Move},
    postgres::{MembershipRepository, RuleRepository},
};

/// The use cases behind `/v1/members`, `GET /v1/users/{id}` and `POST /v1/tenant/leave`.
#[derive(Component)]
#[shaku(interface = Members)]
pub(crate) struct TenantMembers {
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(inject)]
    memberships: Arc<dyn MembershipRepository>,
    #[shaku(inject)]
    rules: Arc<dyn RuleRepository>,
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

    async fn change_role(
        &self,
        permit: &Permit<MemberUpdate>,
        user: UserId,
        role: RoleId,
    ) -> Result<Member, MembersError> {
        let mut change = Change::begin(&*self.database, &*self.rules, permit).await?;
        let from = self.memberships.role_of(change.tx(), user).await?.ok_or(MembersError::NotFound)?;
        if !change.has_role(role) {
            return Err(MembersError::NoSuchRole);
        }
        self.memberships.set_role(change.tx(), user, role).await?;
        change.commit(&[Move { person: Some(user), from: Some(from), to: role }]).await?;
        let changed = self.memberships.find(&self.database.tenant_reader(permit.scope()), user).await?;
        changed.ok_or(MembersError::NotFound)
    }

    async fn remove(&self, permit: &Permit<MemberRemove>, user: UserId) -> Result<(), MembersError> {
        let mut change = Change::begin(&*self.database, &*self.rules, permit).await?;
        if !self.memberships.remove(change.tx(), user).await? {
            return Err(MembersError::NotFound);
        }
        Ok(change.commit(&[]).await?)
    }

    async fn leave(&self, scope: &TenantScope) -> Result<(), MembersError> {
        let mut change = Change::begin_as_member(&*self.database, &*self.rules, scope).await?;
        let actor = change.actor();
        self.memberships.remove(change.tx(), actor).await?;
        Ok(change.commit(&[]).await?)
    }
}
