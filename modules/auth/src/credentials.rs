//! The table `auth_credentials`.

use db::{DbError, SystemTx};
use kernel::UserId;

use crate::password::PasswordHash;

/// Returns the user's hash, if they have a password.
pub(crate) async fn password_hash(tx: &mut SystemTx, user: UserId) -> Result<Option<PasswordHash>, DbError> {
    let hash = sqlx::query_scalar!(
        "SELECT password_hash
         FROM auth_credentials
         WHERE user_id = $1",
        user.as_uuid(),
    );
    Ok(hash.fetch_optional(tx.conn()).await?.map(PasswordHash::from_stored))
}

/// Stores a hash. Returns `false` and changes nothing if the user already has one.
pub(crate) async fn create(tx: &mut SystemTx, user: UserId, hash: &PasswordHash) -> Result<bool, DbError> {
    let created = sqlx::query!(
        "INSERT INTO auth_credentials (user_id, password_hash)
         VALUES ($1, $2)
         ON CONFLICT (user_id) DO NOTHING",
        user.as_uuid(),
        hash.expose_hash(),
    );
    Ok(created.execute(tx.conn()).await?.rows_affected() == 1)
}
