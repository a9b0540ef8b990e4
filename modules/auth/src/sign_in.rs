//! Sign-in with e-mail address and password.

use std::sync::Arc;

use async_trait::async_trait;
use auth_api::{AccessToken, AccessTokens, Password, SignIn, SignInError};
use db::{DbError, SystemDatabase, SystemReason};
use kernel::{Email, TenantRef, UserId};
use shaku::Component;
use user_api::UserRepository;

use crate::{
    credentials,
    password::{HashingError, PasswordHash, PasswordHasher},
};

/// Implements `POST /v1/auth/login`.
#[derive(Component)]
#[shaku(interface = SignIn)]
pub(crate) struct SignInService {
    #[shaku(inject)]
    system: Arc<dyn SystemDatabase>,
    #[shaku(inject)]
    users: Arc<dyn UserRepository>,
    #[shaku(default)]
    hasher: PasswordHasher,
    #[shaku(inject)]
    tokens: Arc<dyn AccessTokens>,
}

#[async_trait]
impl SignIn for SignInService {
    /// All failures are indistinguishable in response and timing: an invalid or unknown address, a user without a
    /// password, a deactivated user and a wrong password. See the OWASP Authentication Cheat Sheet, "Authentication and
    /// Error Messages".
    async fn with_password(
        &self,
        email: Option<&Email>,
        password: &Password,
        tenant: Option<&TenantRef>,
    ) -> Result<AccessToken, SignInError> {
        // Before the address is looked up, so that a full queue rejects all sign-ins and costs no query.
        let place = self.hasher.enqueue()?;
        let (user, hash) = self.find_credentials(email).await?.unzip();
        let password_matches = place.verify(password, hash).await?;
        match user {
            Some(user) if password_matches => self.tokens.issue(user, tenant),
            _ => Err(SignInError::InvalidCredentials),
        }
    }
}

impl From<HashingError> for SignInError {
    fn from(error: HashingError) -> Self {
        match error {
            HashingError::Overloaded => Self::Overloaded,
            HashingError::Failed(_) => Self::Internal(error.into()),
        }
    }
}

impl SignInService {
    /// Returns the active user with this address and their password hash.
    ///
    /// Always runs two queries, so that timing doesn't reveal whether the user exists. The transaction ends before the
    /// password is hashed.
    async fn find_credentials(&self, email: Option<&Email>) -> Result<Option<(UserId, PasswordHash)>, DbError> {
        const NO_USER: UserId = UserId::from_uuid(uuid::Uuid::nil());
        let mut tx = self.system.begin(SystemReason::SignIn).await?;
        let user = match email {
            Some(email) => self.users.find_active_by_email(&mut tx, email).await?,
            None => self.users.find_active(&mut tx, NO_USER).await?,
        };
        let id = user.map_or(NO_USER, |user| user.id);
        let hash = credentials::password_hash(&mut tx, id).await?;
        Ok(hash.map(|hash| (id, hash)))
    }
}
