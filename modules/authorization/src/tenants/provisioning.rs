//! The initial data of a tenant: attributes, and the system roles with their policies from the current templates.

use authorization_api::TenantName;
use db::{DbError, SystemTx};
use kernel::{PolicyId, RoleId, TenantId, TenantSlug};

use crate::{
    templates::{ADMIN, IdGenerator, RandomIds, TEMPLATES, store::insert_additions},
    tenants::store::{NewTenant, create_tenant},
};

/// A user who is admin of this many tenants, archived ones included, can't create another, because a tenant's rows and
/// its slug stay in use forever.
pub(crate) const MAX_TENANTS_PER_USER: u16 = 20;

/// The plan of a new tenant.
pub(crate) const FREE_PLAN: Plan = Plan { plan: "free", contract_type: "standard", features: &[], seat_limit: 5 };

/// The tenant attributes that a plan determines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    plan: &'static str,
    contract_type: &'static str,
    features: &'static [String],
    /// Maximum number of members.
    seat_limit: i32,
}

impl Plan {
    /// Returns the data of a new tenant on this plan.
    pub(crate) fn new_tenant<'a>(&self, id: TenantId, slug: &'a TenantSlug, name: &'a TenantName) -> NewTenant<'a> {
        let Self { plan, contract_type, features, seat_limit } = *self;
        let (name, policy_template_version) = (name.as_str(), TEMPLATES.current());
        NewTenant { id, slug, name, plan, contract_type, features, seat_limit, policy_template_version }
    }
}

/// Creates the tenant with its attributes, system roles and template policies. Returns `false` and changes nothing if a
/// tenant with this id exists; [`authorization_api::PolicyTemplates`] upgrades existing tenants.
pub(crate) async fn provision(
    tx: &mut SystemTx,
    tenant: &NewTenant<'_>,
    ids: &mut (impl IdGenerator + Send),
) -> Result<bool, DbError> {
    let created = create_tenant(tx, tenant).await?;
    if created {
        insert_additions(tx, &[(tenant.id, TEMPLATES.initial_additions(ids))]).await?;
    }
    Ok(created)
}

/// Random ids with a known id for the role `admin`, which the tenant's creator gets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdminRoleIds {
    pub(crate) admin: RoleId,
}

impl AdminRoleIds {
    pub(crate) fn new() -> Self {
        Self { admin: RoleId::new() }
    }
}

impl IdGenerator for AdminRoleIds {
    fn role(&mut self, name: &str) -> RoleId {
        if name == ADMIN { self.admin } else { RandomIds.role(name) }
    }

    fn policy(&mut self) -> PolicyId {
        RandomIds.policy()
    }
}
