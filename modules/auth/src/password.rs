//! Password hashing with argon2id: 19 MiB, 2 passes, 1 lane, as recommended by OWASP's Password Storage Cheat Sheet.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use auth_api::Password;
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;

/// A stored hash: a PHC string. Has no `Debug`, so that it isn't logged by accident.
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

/// Hashing failed: out of memory, no randomness, or a corrupt stored hash.
#[derive(Debug, thiserror::Error)]
#[error("password hashing failed: {0}")]
pub(crate) struct HashingError(String);

/// Hashes and verifies passwords on blocking threads, at most one per core at a time.
///
/// Each hash takes 19 MiB. The limit makes a flood of sign-ins wait instead of exhausting memory.
pub(crate) struct PasswordHasher {
    semaphore: Arc<Semaphore>,
}

impl Default for PasswordHasher {
    fn default() -> Self {
        Self { semaphore: Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(1, Into::into))) }
    }
}

impl PasswordHasher {
    /// Hashes a password with a random salt.
    pub(crate) async fn hash(&self, password: &Password) -> Result<PasswordHash, HashingError> {
        let password = password.clone();
        self.run_blocking(move || hash(&password)).await
    }

    /// Returns whether the password matches the hash. `None` never matches but takes the same time, so that timing
    /// doesn't reveal whether a hash exists.
    pub(crate) async fn verify(&self, password: &Password, hash: Option<PasswordHash>) -> Result<bool, HashingError> {
        let Some(hash) = hash else {
            // Hashing takes as long as verifying: both compute one hash.
            return self.hash(password).await.map(|_| false);
        };
        let password = password.clone();
        self.run_blocking(move || verify(&password, &hash)).await
    }

    async fn run_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashingError> + Send + 'static,
    ) -> Result<T, HashingError> {
        let permit =
            Arc::clone(&self.semaphore).acquire_owned().await.map_err(|error| HashingError(error.to_string()))?;
        let task = tokio::task::spawn_blocking(move || {
            // Held until the work is done, even if the request that waits for it is cancelled.
            let _permit = permit;
            work()
        });
        task.await.map_err(|error| HashingError(error.to_string()))?
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

    #[test]
    fn argon2_params_match_owasp() {
        let params = Params::DEFAULT;
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (19 * 1024, 2, 1));
    }

    #[tokio::test]
    async fn verify_accepts_only_the_right_password() {
        let (hasher, password) = (PasswordHasher::default(), Password::new("correct horse".into()));
        let hash = hasher.hash(&password).await.unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
        assert!(hasher.verify(&password, Some(hash.clone())).await.unwrap());
        assert!(!hasher.verify(&Password::new("battery staple".into()), Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn hashes_are_salted() {
        let (hasher, password) = (PasswordHasher::default(), Password::new("correct horse".into()));
        let (first, second) = (hasher.hash(&password).await.unwrap(), hasher.hash(&password).await.unwrap());
        assert_ne!(first.as_str(), second.as_str());
    }

    #[tokio::test]
    async fn missing_hash_never_matches() {
        let (hasher, password) = (PasswordHasher::default(), Password::new("correct horse".into()));
        assert!(!hasher.verify(&password, None).await.unwrap());
    }

    #[tokio::test]
    async fn corrupt_hash_is_an_error() {
        let corrupt = PasswordHash::from_stored("$argon2id$corrupt".into());
        assert!(PasswordHasher::default().verify(&Password::new("x".into()), Some(corrupt)).await.is_err());
    }
}
