//! Password hashing: argon2id, 19 MiB, 2 passes, 1 lane, the first choice of OWASP's Password Storage Cheat Sheet.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use async_trait::async_trait;
use kernel::contracts::Password;
use secrecy::ExposeSecret;
use shaku::{Component, Interface};
use tokio::sync::Semaphore;

/// A hash as stored: a PHC string. It prints as nothing.
#[derive(Clone)]
pub(crate) struct PasswordHash(String);

impl PasswordHash {
    pub(crate) fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Hashing failed: there is no memory, no randomness, or the stored hash is damaged.
#[derive(Debug, thiserror::Error)]
#[error("password hashing failed: {0}")]
pub(crate) struct HashingError(String);

/// Hashes and compares passwords.
#[async_trait]
pub(crate) trait PasswordHasher: Interface {
    /// A hash with a salt of its own.
    async fn hash(&self, password: &Password) -> Result<PasswordHash, HashingError>;

    /// Whether the password is the one that was hashed. `None` does the same work, and is always a no: so that
    /// nobody learns from the time it takes whether there was a hash to compare with.
    async fn verify(&self, password: &Password, hash: Option<PasswordHash>) -> Result<bool, HashingError>;
}

/// [`PasswordHasher`] beside the runtime's own threads, as many at once as there are cores: each takes 19 MiB, and a
/// flood of sign-ins shall wait rather than take the machine's memory.
#[derive(Component)]
#[shaku(interface = PasswordHasher)]
pub(crate) struct Argon2Hasher {
    #[shaku(default = one_permit_per_core())]
    semaphore: Arc<Semaphore>,
}

impl Default for Argon2Hasher {
    fn default() -> Self {
        Self { semaphore: one_permit_per_core() }
    }
}

fn one_permit_per_core() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(1, Into::into)))
}

#[async_trait]
impl PasswordHasher for Argon2Hasher {
    async fn hash(&self, password: &Password) -> Result<PasswordHash, HashingError> {
        let password = password.clone();
        self.run_blocking(move || hash(&password)).await
    }

    async fn verify(&self, password: &Password, hash: Option<PasswordHash>) -> Result<bool, HashingError> {
        let Some(hash) = hash else {
            // Hashing costs what comparing costs: both compute one hash.
            return self.hash(password).await.map(|_| false);
        };
        let password = password.clone();
        self.run_blocking(move || verify(&password, &hash)).await
    }
}

impl Argon2Hasher {
    async fn run_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashingError> + Send + 'static,
    ) -> Result<T, HashingError> {
        let permit = Arc::clone(&self.semaphore).acquire_owned().await.map_err(|error| HashingError(error.to_string()))?;
        let work = tokio::task::spawn_blocking(move || {
            // Held until the work is done, even where whoever waits for it has gone.
            let _permit = permit;
            work()
        });
        work.await.map_err(|error| HashingError(error.to_string()))?
    }
}

fn argon2id() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

fn hash(password: &Password) -> Result<PasswordHash, HashingError> {
    let hash = argon2id().hash_password(password.secret().expose_secret().as_bytes());
    hash.map(|hash| PasswordHash(hash.to_string())).map_err(|error| HashingError(error.to_string()))
}

fn verify(password: &Password, hash: &PasswordHash) -> Result<bool, HashingError> {
    match argon2id().verify_password(password.secret().expose_secret().as_bytes(), hash.as_str()) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(HashingError(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashing() -> Argon2Hasher {
        Argon2Hasher::default()
    }

    #[test]
    fn argon2_params_match_owasp() {
        let params = Params::DEFAULT;
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (19 * 1024, 2, 1));
    }

    #[tokio::test]
    async fn verify_accepts_only_the_right_password() {
        let (hashing, password) = (hashing(), Password::new("correct horse".into()));
        let hash = hashing.hash(&password).await.unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
        assert!(hashing.verify(&password, Some(hash.clone())).await.unwrap());
        assert!(!hashing.verify(&Password::new("battery staple".into()), Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn hashes_are_salted() {
        let (hashing, password) = (hashing(), Password::new("correct horse".into()));
        let (one, two) = (hashing.hash(&password).await.unwrap(), hashing.hash(&password).await.unwrap());
        assert_ne!(one.as_str(), two.as_str());
    }

    #[tokio::test]
    async fn verify_without_stored_hash_always_fails() {
        let (hashing, password) = (hashing(), Password::new("correct horse".into()));
        assert!(!hashing.verify(&password, None).await.unwrap());
        assert!(!hashing.verify(&password, None).await.unwrap());
    }

    #[tokio::test]
    async fn corrupt_hash_is_an_error() {
        let damaged = PasswordHash::from_stored("$argon2id$damaged".into());
        assert!(hashing().verify(&Password::new("x".into()), Some(damaged)).await.is_err());
    }
}
