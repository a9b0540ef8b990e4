//! What each tenant is born with: attributes, the system roles, and their policies from the current templates.

use kernel::{
    contracts::{PolicyId, RoleId, TenantId},
    db::{DbError, SystemTx},
};

use crate::{
    domain::{Effect, NewPolicy},
    postgres::{NewTenant, create_policy, create_role, create_tenant},
};

/// The version of the templates below. A change to them is a new version; what tenants have already stays.
pub(crate) const TEMPLATE_VERSION: i32 = 1;

/// A system role with its one template policy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemRole {
    pub(crate) role: RoleId,
    pub(crate) policy: PolicyId,
}

/// The system roles of a tenant to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemRoles {
    /// May do everything.
    pub(crate) admin: SystemRole,
    /// May read who else is there.
    pub(crate) member: SystemRole,
}

/// Makes the tenant with all that belongs to it. `false`: it was there already; what it lacks is added.
pub(crate) async fn found(tx: &mut SystemTx, tenant: &NewTenant<'_>, roles: SystemRoles) -> Result<bool, DbError> {
    let created = create_tenant(tx, tenant).await?;
    system_role(tx, tenant.id, "admin", roles.admin, "*", "*").await?;
    system_role(tx, tenant.id, "member", roles.member, "user", "read").await?;
    Ok(created)
}

async fn system_role(
    tx: &mut SystemTx,
    tenant: TenantId,
    name: &str,
    ids: SystemRole,
    resource: &str,
    verb: &str,
) -> Result<(), DbError> {
    create_role(tx, tenant, ids.role, name).await?;
    let policy = NewPolicy::for_role(ids.role, Effect::Allow, resource, &[verb]);
    create_policy(tx, tenant, ids.policy, &policy).await?;
    Ok(())
}
