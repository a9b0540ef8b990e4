//! The table `policies`.

use kernel::{
    contracts::{PolicyId, RoleId, TenantId},
    db::{DbError, SystemTx},
};

use crate::domain::{Effect, NewPolicy};

/// Makes a template policy. `false`: there is one with this id already, and it stays as it is.
pub(crate) async fn create_policy(
    tx: &mut SystemTx,
    tenant: TenantId,
    id: PolicyId,
    new: &NewPolicy,
) -> Result<bool, DbError> {
    let digest = new.digest().map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let created = sqlx::query!(
        "INSERT INTO policies (tenant_id, id, role_id, effect, resource, verbs, is_template, digest)
         VALUES ($1, $2, $3, $4, $5, $6, true, $7)
         ON CONFLICT (tenant_id, id) DO NOTHING",
        tenant.as_uuid(),
        id.as_uuid(),
        new.role_id().map(RoleId::as_uuid),
        new.effect() as Effect,
        new.resource(),
        new.verbs(),
        digest,
    );
    Ok(created.execute(&mut ***tx).await?.rows_affected() == 1)
}
