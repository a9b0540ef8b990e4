//! What each tenant is born with: attributes, and the system roles with their policies from the current templates.

use kernel::{
    contracts::{PolicyId, RoleId, TenantId, TenantName, TenantSlug},
    db::{DbError, SystemTx},
};

use crate::{
    domain::{ADMIN, FreshIds, NewIds, TEMPLATES},
    postgres::{NewTenant, add, create_tenant},
};

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
        let (name, policy_template_version) = (name.as_str(), TEMPLATES.current());
        NewTenant { id, slug, name, plan, contract_type, features, max_users, policy_template_version }
    }
}

/// Makes the tenant with all that belongs to it. `false`: it was there already, and stays as it is;
/// [`kernel::contracts::PolicyTemplates`] is what brings it to a newer version.
pub(crate) async fn found(
    tx: &mut SystemTx,
    tenant: &NewTenant<'_>,
    ids: &mut (impl NewIds + Send),
) -> Result<bool, DbError> {
    let created = create_tenant(tx, tenant).await?;
    if created {
        add(tx, &[(tenant.id, TEMPLATES.whole(ids))]).await?;
    }
    Ok(created)
}

/// Fresh ids, of which the admin's role is known: for whoever founds the tenant is to have it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FounderIds {
    pub(crate) admin: RoleId,
}

impl FounderIds {
    pub(crate) fn new() -> Self {
        Self { admin: RoleId::new() }
    }
}

impl NewIds for FounderIds {
    fn role(&mut self, name: &str) -> RoleId {
        if name == ADMIN { self.admin } else { FreshIds.role(name) }
    }

    fn policy(&mut self) -> PolicyId {
        FreshIds.policy()
    }
}
