//! The table `roles`.

use kernel::{
    contracts::{RoleId, TenantId},
    db::{DbError, SystemTx},
};

/// Makes a system role. `false`: there is one with this id already, and it stays as it is.
pub(crate) async fn create_role(tx: &mut SystemTx, tenant: TenantId, id: RoleId, name: &str) -> Result<bool, DbError> {
    let created = sqlx::query!(
        "INSERT INTO roles (tenant_id, id, name, name_key, is_system)
         VALUES ($1, $2, $3, lower($3), true)
         ON CONFLICT (tenant_id, id) DO NOTHING",
        tenant.as_uuid(),
        id.as_uuid(),
        name,
    );
    Ok(created.execute(&mut ***tx).await?.rows_affected() == 1)
}
