//! Writes the initial rows of a tenant: attributes, and the system roles with their policies from the current templates.

use db::{DbError, SystemTx};
use kernel::{TenantId, TenantSlug, UserId};

use crate::templates::{IdGenerator, TEMPLATES, store::insert_additions};

/// The plan of a new tenant.
pub(crate) const FREE_PLAN: Plan = Plan { name: "free", contract_type: "standard", features: &[], seat_limit: 5 };

/// A plan, with the tenant attributes that it determines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) contract_type: &'static str,
    pub(crate) features: &'static [&'static str],
    /// Maximum number of members.
    pub(crate) seat_limit: i32,
}

/// The data of a new tenant.
#[derive(Debug)]
pub(crate) struct NewTenant<'a> {
    pub(crate) id: TenantId,
    pub(crate) slug: &'a TenantSlug,
    pub(crate) name: &'a str,
    pub(crate) plan: Plan,
    /// The user whose limit the tenant counts towards; `None` if the operator creates it.
    pub(crate) created_by: Option<UserId>,
}

/// Creates the tenant with its attributes, system roles and template policies. Returns `false` and changes nothing if a
/// tenant with this id exists; [`authorization_api::PolicyTemplates`] upgrades existing tenants.
pub(crate) async fn provision(
    tx: &mut SystemTx,
    new: &NewTenant<'_>,
    ids: &mut (impl IdGenerator + Send),
) -> Result<bool, DbError> {
    let created = sqlx::query!(
        "INSERT INTO tenants (id, slug, name, created_by)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (id) DO NOTHING",
        new.id.as_uuid(),
        new.slug.as_str(),
        new.name,
        new.created_by.map(UserId::as_uuid),
    );
    if created.execute(tx.conn()).await?.rows_affected() == 0 {
        return Ok(false);
    }
    let features: Vec<String> = new.plan.features.iter().map(|feature| (*feature).into()).collect();
    let attributes = sqlx::query!(
        "INSERT INTO tenant_attributes (tenant_id, plan, contract_type, features, seat_limit, policy_template_version)
         VALUES ($1, $2, $3, $4, $5, $6)",
        new.id.as_uuid(),
        new.plan.name,
        new.plan.contract_type,
        &features,
        new.plan.seat_limit,
        TEMPLATES.current(),
    );
    attributes.execute(tx.conn()).await?;
    insert_additions(tx, &[(new.id, TEMPLATES.initial_additions(ids))]).await?;
    Ok(true)
}
