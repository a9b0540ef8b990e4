//! The tables `tenants` and `tenant_attributes`.

use kernel::{
    contracts::{TenantId, TenantSlug},
    db::{DbError, SystemTx},
};

/// A tenant to be, with its attributes.
#[derive(Debug)]
pub(crate) struct NewTenant<'a> {
    pub(crate) id: TenantId,
    pub(crate) slug: &'a TenantSlug,
    pub(crate) name: &'a str,
    pub(crate) plan: &'a str,
    pub(crate) contract_type: &'a str,
    pub(crate) features: &'a [String],
    /// Seats.
    pub(crate) max_users: i32,
    pub(crate) policy_template_version: i32,
}

/// Makes the tenant and its attributes. `false`: there is one with this id already, and it stays as it is.
pub(crate) async fn create_tenant(tx: &mut SystemTx, new: &NewTenant<'_>) -> Result<bool, DbError> {
    let created = sqlx::query!(
        "INSERT INTO tenants (id, slug, name)
         VALUES ($1, $2, $3)
         ON CONFLICT (id) DO NOTHING",
        new.id.as_uuid(),
        new.slug.as_str(),
        new.name,
    )
    .execute(&mut ***tx)
    .await?;
    sqlx::query!(
        "INSERT INTO tenant_attributes (tenant_id, plan, contract_type, features, max_users, policy_template_version)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (tenant_id) DO NOTHING",
        new.id.as_uuid(),
        new.plan,
        new.contract_type,
        new.features,
        new.max_users,
        new.policy_template_version,
    )
    .execute(&mut ***tx)
    .await?;
    Ok(created.rows_affected() == 1)
}
