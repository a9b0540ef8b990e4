//! Members of a tenant, and tenants of a user.

pub(crate) mod store;

use std::sync::Arc;

use async_trait::async_trait;
use authorization_api::{
    ChangeError, Member, MemberLeft, MemberRemove, MemberRemoved, MemberRoleChanged, MemberUpdate, Members,
    MembersError, UserRead, UserTenant, UserTenants,
};
use db::{Database, DbError};
use kernel::{Change, Identity, Permit, RoleId, TenantScope, UserId};
use shaku::Component;

use crate::{
    guarded_change::{GuardedChange, RoleChange},
    members::store::MembershipRepository,
};

/// The service behind `/v1/members`, `/v1/members/{id}` and `POST /v1/tenant/leave`.
#[derive(Component)]
#[shaku(interface = Members)]
pub(crate) struct MemberService {
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(inject)]
    memberships: Arc<dyn MembershipRepository>,
}

#[async_trait]
impl Members for MemberService {
    async fn list(
        &self,
        permit: &Permit<UserRead>,
        after: Option<UserId>,
        limit: u16,
    ) -> Result<Vec<Member>, MembersError> {
        Ok(self.memberships.list(&self.database.tenant_reader(permit.scope()), after, limit).await?)
    }

    async fn get(&self, permit: &Permit<UserRead>, user: UserId) -> Result<Member, MembersError> {
        let member = self.memberships.find(&self.database.tenant_reader(permit.scope()), user).await?;
        member.ok_or(MembersError::NotFound)
    }

    async fn update_role(
        &self,
        permit: &Permit<MemberUpdate>,
        user: UserId,
        role: RoleId,
    ) -> Result<Member, MembersError> {
        let mut change = GuardedChange::begin(&*self.database, permit).await?;
        let from = self.memberships.find_role(change.tx(), user).await?.ok_or(MembersError::NotFound)?;
        if !change.has_role(role) {
            return Err(MembersError::RoleNotFound);
        }
        self.memberships.update_role(change.tx(), user, role).await?;
        let changed = MemberRoleChanged { member: user, role: Change { before: from, after: role } };
        change.commit(&[RoleChange { user: Some(user), from: Some(from), to: Some(role) }], changed).await?;
        let updated = self.memberships.find(&self.database.tenant_reader(permit.scope()), user).await?;
        // `None` if a concurrent request has removed the member since the commit.
        updated.ok_or(MembersError::NotFound)
    }

    async fn remove(&self, permit: &Permit<MemberRemove>, user: UserId) -> Result<(), MembersError> {
        let mut change = GuardedChange::begin(&*self.database, permit).await?;
        let role = self.memberships.remove(change.tx(), user).await?.ok_or(MembersError::NotFound)?;
        let removed = MemberRemoved { member: user, role };
        Ok(change.commit(&[RoleChange { user: Some(user), from: Some(role), to: None }], removed).await?)
    }

    async fn leave(&self, scope: &TenantScope) -> Result<(), MembersError> {
        let mut change = GuardedChange::begin_as_member(&*self.database, scope).await?;
        let caller = change.user();
        let role = self.memberships.remove(change.tx(), caller).await?.ok_or(ChangeError::NoLongerMember)?;
        // Members may always give up their own permissions, so there is no role change to check.
        Ok(change.commit(&[], MemberLeft { member: caller, role }).await?)
    }
}

/// The service behind the tenant list of `GET /v1/me`.
#[derive(Component)]
#[shaku(interface = UserTenants)]
pub(crate) struct UserTenantService {
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(inject)]
    memberships: Arc<dyn MembershipRepository>,
}

#[async_trait]
impl UserTenants for UserTenantService {
    async fn list(&self, identity: &Identity) -> Result<Vec<UserTenant>, DbError> {
        let mut tx = self.database.begin_for_user(identity).await?;
        self.memberships.list_for_user(&mut tx).await
    }
}
