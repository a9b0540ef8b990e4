//! The table `auth_credentials`.

use async_trait::async_trait;
use kernel::{
    contracts::UserId,
    db::{DbError, SystemTx},
};
use shaku::{Component, Interface};

use crate::domain::PasswordHash;

/// Stores password hashes. Only the database role `tenantry_system` can access them.
#[async_trait]
pub(crate) trait CredentialRepository: Interface {
    /// Returns the user's hash, if they have a password.
    async fn password_hash(&self, tx: &mut SystemTx, user: UserId) -> Result<Option<PasswordHash>, DbError>;

    /// Stores a hash. Returns `false` and changes nothing if the user already has one.
    async fn create(&self, tx: &mut SystemTx, user: UserId, hash: &PasswordHash) -> Result<bool, DbError>;
}

/// A [`CredentialRepository`] in PostgreSQL.
#[derive(Component)]
#[shaku(interface = CredentialRepository)]
pub(crate) struct PgCredentialRepository;

#[async_trait]
impl CredentialRepository for PgCredentialRepository {
    async fn password_hash(&self, tx: &mut SystemTx, user: UserId) -> Result<Option<PasswordHash>, DbError> {
        let hash = sqlx::query_scalar!(
            "SELECT password_hash
             FROM auth_credentials
             WHERE user_id = $1",
            user.as_uuid(),
        );
        Ok(hash.fetch_optional(&mut ***tx).await?.map(PasswordHash::from_stored))
    }

    async fn create(&self, tx: &mut SystemTx, user: UserId, hash: &PasswordHash) -> Result<bool, DbError> {
        let created = sqlx::query!(
            "INSERT INTO auth_credentials (user_id, password_hash)
             VALUES ($1, $2)
             ON CONFLICT (user_id) DO NOTHING",
            user.as_uuid(),
            hash.as_str(),
        );
        Ok(created.execute(&mut ***tx).await?.rows_affected() == 1)
    }
}
