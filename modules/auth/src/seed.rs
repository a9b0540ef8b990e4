//! The demo passwords.

use kernel::{
    contracts::{Password, UserId},
    db::{DbError, SystemTx},
};

use crate::{
    domain::{PasswordHasher, Argon2Hasher},
    postgres::{CredentialRepository, PgCredentialRepository},
};

/// The password of every demo account. It is no secret: it is printed at the start, and it is in the README.
pub const PASSWORD: &str = "tenantry-demo";

/// Why the passwords couldn't be set.
#[derive(Debug, thiserror::Error)]
pub enum AuthSeedError {
    /// The password couldn't be hashed.
    #[error("the demo password couldn't be hashed")]
    Hash(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Gives each of the people the demo password, unless they have one: `true` for each who hadn't.
///
/// # Errors
/// The database refuses, or hashing fails.
pub async fn seed<const N: usize>(tx: &mut SystemTx, users: [UserId; N]) -> Result<[bool; N], AuthSeedError> {
    let hasher = Argon2Hasher::default();
    let mut created = [false; N];
    for (user, created) in users.into_iter().zip(&mut created) {
        if PgCredentialRepository.password_hash(tx, user).await?.is_some() {
            continue;
        }
        let hash = hasher.hash(&Password::new(PASSWORD.into())).await;
        let hash = hash.map_err(|error| AuthSeedError::Hash(error.into()))?;
        *created = PgCredentialRepository.create(tx, user, &hash).await?;
    }
    Ok(created)
}
