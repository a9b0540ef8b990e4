//! What each tenant is born with: attributes, the system roles, and their policies from the current templates.

use kernel::{
    contracts::{PolicyId, RoleId, TenantId, TenantName, TenantSlug},
    db::{DbError, SystemTx},
};

use crate::{
    domain::{Effect, NewPolicy},
    postgres::{NewTenant, create_policy, create_role, create_tenant},
};

/// The version of the templates below. A change to them is a new version; what tenants have already stays.
pub(crate) const TEMPLATE_VERSION: i32 = 1;

/// How many tenants, archived or not, a person may be admin of and still found another: a tenant costs rows for good,
/// and a slug that nobody else can have.
pub(crate) const MOST_TENANTS: u16 = 20;

/// What a tenant begins with that nobody pays for.
pub(crate) const FREE: Plan = Plan { plan: "free", contract_type: "standard", features: &[], max_users: 5 };

/// What a tenant has by what it pays for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    plan: &'static str,
    contract_type: &'static str,
    features: &'static [String],
    /// Seats.
    max_users: i32,
}

impl Plan {
    /// A tenant to be, on this plan.
    pub(crate) fn tenant<'a>(&self, id: TenantId, slug: &'a TenantSlug, name: &'a TenantName) -> NewTenant<'a> {
        let Self { plan, contract_type, features, max_users } = *self;
        let (name, policy_template_version) = (name.as_str(), TEMPLATE_VERSION);
        NewTenant { id, slug, name, plan, contract_type, features, max_users, policy_template_version }
    }
}

/// A system role with its one template policy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemRole {
    pub(crate) role: RoleId,
    pub(crate) policy: PolicyId,
}

impl SystemRole {
    fn new() -> Self {
        Self { role: RoleId::new(), policy: PolicyId::new() }
    }
}

/// The system roles of a tenant to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemRoles {
    /// May do everything.
    pub(crate) admin: SystemRole,
    /// May read who else is there.
    pub(crate) member: SystemRole,
}

impl SystemRoles {
    /// With ids of their own.
    pub(crate) fn new() -> Self {
        Self { admin: SystemRole::new(), member: SystemRole::new() }
    }
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
