//! The service for a tenant's roles.

pub(crate) mod store;

use std::sync::Arc;

use async_trait::async_trait;
use authorization_api::{
    PolicyDeleted, Role, RoleCreated, RoleDeleted, RoleManage, RoleName, RoleRead, RoleRenamed, Roles, RolesError,
};
use db::{Database, DbError};
use kernel::{Change, IntoAuditEvents, Permit, RoleId};
use shaku::Component;

use crate::{guarded_change::GuardedChange, roles::store::RoleRepository};

/// Maximum number of roles per tenant, system roles included. It limits the cost of a change to a tenant-wide policy,
/// which is checked for each role.
const MAX_ROLES_PER_TENANT: u16 = 100;

/// Implements `/v1/roles`.
#[derive(Component)]
#[shaku(interface = Roles)]
pub(crate) struct RoleService {
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(inject)]
    roles: Arc<dyn RoleRepository>,
}

#[async_trait]
impl Roles for RoleService {
    async fn list(&self, permit: &Permit<RoleRead>) -> Result<Vec<Role>, RolesError> {
        Ok(self.roles.list(&self.database.tenant_reader(permit.scope())).await?)
    }

    async fn create(&self, permit: &Permit<RoleManage>, name: &RoleName) -> Result<Role, RolesError> {
        let mut change = GuardedChange::begin(&*self.database, permit).await?;
        if self.roles.count(change.tx()).await? >= i64::from(MAX_ROLES_PER_TENANT) {
            return Err(RolesError::LimitReached { limit: MAX_ROLES_PER_TENANT });
        }
        let id = RoleId::new();
        self.roles.create(change.tx(), id, name).await.map_err(roles_error)?;
        change.commit(&[], RoleCreated { role: id, name: name.clone() }).await?;
        Ok(Role { id, name: name.clone(), is_system: false, members: 0 })
    }

    async fn rename(&self, permit: &Permit<RoleManage>, id: RoleId, name: &RoleName) -> Result<Role, RolesError> {
        let mut change = GuardedChange::begin(&*self.database, permit).await?;
        let role = self.find_custom(&mut change, id).await?;
        self.roles.rename(change.tx(), id, name).await.map_err(roles_error)?;
        change.commit(&[], RoleRenamed { role: id, name: Change { before: role.name, after: name.clone() } }).await?;
        Ok(Role { id, name: name.clone(), is_system: role.is_system, members: role.members })
    }

    async fn delete(&self, permit: &Permit<RoleManage>, id: RoleId) -> Result<(), RolesError> {
        let mut change = GuardedChange::begin(&*self.database, permit).await?;
        let role = self.find_custom(&mut change, id).await?;
        let policies = self.roles.delete(change.tx(), id).await.map_err(roles_error)?;
        let mut events = RoleDeleted { role: id, name: role.name }.into_events();
        for (policy, content) in policies {
            events = events.and(PolicyDeleted { policy, content });
        }
        Ok(change.commit(&[], events).await?)
    }
}

impl RoleService {
    /// Returns the role, or an error if it is a system role.
    async fn find_custom(&self, change: &mut GuardedChange, id: RoleId) -> Result<Role, RolesError> {
        let role = self.roles.find(change.tx(), id).await?.ok_or(RolesError::NotFound)?;
        if role.is_system { Err(RolesError::SystemRoleImmutable) } else { Ok(role) }
    }
}

fn roles_error(error: DbError) -> RolesError {
    let violates = |constraint| error.violates(constraint);
    if violates("roles_tenant_id_name_key_key") {
        RolesError::NameTaken
    } else if violates("memberships_tenant_id_role_id_fkey") || violates("invitations_tenant_id_role_id_fkey") {
        RolesError::InUse
    } else {
        error.into()
    }
}
