//! Credentials in, tokens out; tokens in, claims out.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use shaku::{HasComponent, Interface};

use super::{CredentialError, DisplayName, Email, TenantRef, UserId, VerifiedClaims};
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

/// A password that somebody chooses, which has to be better than one that is only tried. It prints as nothing.
#[derive(Debug, Clone)]
pub struct ChosenPassword(Password);

/// The text isn't good enough for a password. It doesn't say which text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a new password has at least 12 characters, at most 1024 bytes, and no control characters")]
pub struct InvalidPassword;

impl ChosenPassword {
    /// In characters, spaces among them: more than the 8 that NIST SP 800-63B wanted in its third revision, and fewer
    /// than the 15 that its fourth wants where nothing but the password is asked for.
    pub const MIN_LENGTH: usize = 12;
    /// In bytes: what signing in takes, so that nobody chooses a password that lets them in nowhere.
    pub const MAX_LENGTH: usize = Password::MAX_LENGTH;

    /// The password, for hashing.
    pub fn password(&self) -> &Password {
        &self.0
    }
}

impl TryFrom<Password> for ChosenPassword {
    type Error = InvalidPassword;

    /// A control character is what an arrow key leaves where nobody sees what they type.
    fn try_from(password: Password) -> Result<Self, InvalidPassword> {
        let text = password.secret().expose_secret();
        let long_enough = text.chars().count() >= Self::MIN_LENGTH && text.len() <= Self::MAX_LENGTH;
        if long_enough && !text.chars().any(char::is_control) { Ok(Self(password)) } else { Err(InvalidPassword) }
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

/// Why no account was made.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Somebody has this address, deactivated or not.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// The password couldn't be hashed.
    #[error("the password couldn't be hashed")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Accounts on the word of whoever operates the program. It asks for no proof, so no request has it.
#[async_trait]
pub trait AccountCreation: Interface {
    /// Makes a person who can sign in, and is a member nowhere: all of it or nothing.
    async fn create(
        &self,
        email: &Email,
        name: &DisplayName,
        password: &ChosenPassword,
    ) -> Result<UserId, AccountError>;
}

/// The module `auth`, as others see it.
pub trait AuthModule:
    HasComponent<dyn AccessTokens> + HasComponent<dyn AccountCreation> + HasComponent<dyn SignIn>
{
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &str) -> Result<(), InvalidPassword> {
        ChosenPassword::try_from(Password::new(text.into())).map(drop)
    }

    #[test]
    fn a_new_password_is_counted_in_characters_and_takes_any_of_them() {
        let longest = "a".repeat(1024);
        for good in ["twelve chars", "éééééééééééé", "            ", longest.as_str()] {
            assert_eq!(chosen(good), Ok(()), "{good:?}");
        }
    }

    #[test]
    fn what_is_too_short_too_long_or_typed_by_mistake_is_no_new_password() {
        let (long, long_in_bytes) = ("a".repeat(1025), "é".repeat(513));
        let mistyped = ["tenantry-demo\u{1b}[A", "tenantry\0demo"];
        for bad in ["", "eleven char", "éééééé", &long, &long_in_bytes].into_iter().chain(mistyped) {
            assert_eq!(chosen(bad), Err(InvalidPassword), "{bad:?}");
        }
    }
}
