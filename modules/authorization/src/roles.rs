//! The roles of a tenant.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{
    contracts::{Permit, Role, RoleId, RoleManage, RoleName, RoleRead, Roles, RolesError},
    db::{Database, DbError},
};
use shaku::Component;

use crate::{
    change::Change,
    postgres::{ROLE_IN_USE, ROLE_NAME_TAKEN, RoleRepository, RuleRepository},
};

/// How many roles a tenant may have, its system roles among them: a change to a policy for every member is held against each.
const MOST_ROLES: u16 = 100;

/// The use cases behind `/v1/roles`.
#[derive(Component)]
#[shaku(interface = Roles)]
pub(crate) struct TenantRoles {
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(inject)]
    roles: Arc<dyn RoleRepository>,
    #[shaku(inject)]
    rules: Arc<dyn RuleRepository>,
}

#[async_trait]
impl Roles for TenantRoles {
    async fn list(&self, permit: &Permit<RoleRead>) -> Result<Vec<Role>, RolesError> {
        Ok(self.roles.list(&self.database.tenant_reader(permit.scope())).await?)
    }

    async fn create(&self, permit: &Permit<RoleManage>, name: &RoleName) -> Result<Role, RolesError> {
        let mut change = Change::begin(&*self.database, &*self.rules, permit).await?;
        if self.roles.count(change.tx()).await? >= i64::from(MOST_ROLES) {
            return Err(RolesError::TooMany { most: MOST_ROLES });
        }
        let id = RoleId::new();
        self.roles.insert(change.tx(), id, name).await.map_err(refused)?;
        change.commit(&[]).await?;
        Ok(Role { id, name: name.to_string(), is_system: false, members: 0 })
    }

    async fn rename(&self, permit: &Permit<RoleManage>, id: RoleId, name: &RoleName) -> Result<Role, RolesError> {
        let mut change = Change::begin(&*self.database, &*self.rules, permit).await?;
        let role = self.own(&mut change, id).await?;
        self.roles.rename(change.tx(), id, name).await.map_err(refused)?;
        change.commit(&[]).await?;
        Ok(Role { name: name.to_string(), ..role })
    }

    async fn delete(&self, permit: &Permit<RoleManage>, id: RoleId) -> Result<(), RolesError> {
        let mut change = Change::begin(&*self.database, &*self.rules, permit).await?;
        self.own(&mut change, id).await?;
        self.roles.delete(change.tx(), id).await.map_err(refused)?;
        Ok(change.commit(&[]).await?)
    }
}

impl TenantRoles {
    /// The role, if it is the tenant's own.
    async fn own(&self, change: &mut Change<'_>, id: RoleId) -> Result<Role, RolesError> {
        let role = self.roles.find(change.tx(), id).await?.ok_or(RolesError::NotFound)?;
        if role.is_system { Err(RolesError::System) } else { Ok(role) }
    }
}

fn refused(error: DbError) -> RolesError {
    if error.breaks(ROLE_NAME_TAKEN) {
        RolesError::NameTaken
    } else if ROLE_IN_USE.iter().any(|constraint| error.breaks(constraint)) {
        RolesError::InUse
    } else {
        error.into()
    }
}
