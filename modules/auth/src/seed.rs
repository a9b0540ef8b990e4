//! The demo passwords.

use auth_api::Password;
use db::{DbError, SystemTx};
use kernel::UserId;

use crate::{credentials, password::PasswordHasher};

/// The password of every demo account. It is public: printed at startup and in the README.
pub const PASSWORD: &str = "tenantry-demo";

/// Setting the demo passwords failed.
#[derive(Debug, thiserror::Error)]
pub enum AuthSeedError {
    /// Hashing failed.
    #[error("failed to hash the demo password")]
    Hash(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Sets the demo password of every user that has no password. Returns for each user whether it was set.
///
/// # Errors
/// Hashing or the database failed.
pub async fn seed<const N: usize>(tx: &mut SystemTx, users: [UserId; N]) -> Result<[bool; N], AuthSeedError> {
    let hasher = PasswordHasher::default();
    let mut created = [false; N];
    for (user, created) in users.into_iter().zip(&mut created) {
        if credentials::password_hash(tx, user).await?.is_some() {
            continue;
        }
        let hash = hasher.hash(&Password::new(PASSWORD.into())).await;
        let hash = hash.map_err(|error| AuthSeedError::Hash(error.into()))?;
        *created = credentials::create(tx, user, &hash).await?;
    }
    Ok(created)
}
