//! Credentials in, tokens out; tokens in, claims out.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use shaku::{HasComponent, Interface};

use super::{CredentialError, Email, TenantRef, UserId, VerifiedClaims};
use crate::db::DbError;

/// A password as typed. It prints as nothing.
#[derive(Debug, Clone)]
pub struct Password(SecretString);

impl Password {
    /// Longer ones are refused before any work is done on them, in bytes.
    pub const MAX_LENGTH: usize = 1024;

    /// Takes the password in.
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// For hashing and comparing.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }
}

/// A signed statement of who its bearer is.
#[derive(Debug)]
pub struct AccessToken {
    /// A JWT (RFC 7519), signed with EdDSA (RFC 8037).
    pub token: SecretString,
    /// How long it holds from now on.
    pub expires_in: Duration,
}

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Unknown address, wrong password or a deactivated person: nobody learns which.
    #[error("the e-mail address or the password is wrong")]
    Refused,
    /// Nobody could be asked.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The token couldn't be made.
    #[error("signing in failed")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Signing in.
#[async_trait]
pub trait SignIn: Interface {
    /// Exchanges e-mail and password for a token, with the same work whether or not the person exists. The token claims
    /// the tenant, if one is wished for, whatever it is: whether the person is a member is asked at each request, and
    /// nobody learns here which tenants there are.
    async fn with_password(
        &self,
        email: Option<&Email>,
        password: &Password,
        tenant: Option<&TenantRef>,
    ) -> Result<AccessToken, SignInError>;
}

/// Access tokens.
pub trait AccessTokens: Interface {
    /// Makes one for a person who has just proven who they are, to act in this tenant if one is wished for.
    ///
    /// # Errors
    /// [`SignInError::Internal`] if the signature can't be made.
    fn issue(&self, user: UserId, tenant: Option<&TenantRef>) -> Result<AccessToken, SignInError>;

    /// Checks signature, algorithm, issuer, audience and expiry.
    ///
    /// # Errors
    /// [`CredentialError`], which doesn't say what was wrong.
    fn verify(&self, token: &SecretString) -> Result<VerifiedClaims, CredentialError>;
}

/// The module `auth`, as others see it.
pub trait AuthModule: HasComponent<dyn SignIn> + HasComponent<dyn AccessTokens> {}
