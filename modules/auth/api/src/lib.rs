//! What other modules may use of the module `auth`: sign-in, access tokens and account creation.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use db::DbError;
use kernel::{
    CredentialError, Email, RequestContext, TenantRef, UserId, VerifiedClaims, audit_events, find_disallowed,
    opaque_string,
};
use secrecy::{ExposeSecret, SecretString};
use shaku::Interface;
use user_api::DisplayName;

audit_events! {
    /// A user signed in with their password.
    pub struct SignInSucceeded: "sign_in.succeeded", version 1 {
        user: UserId,
    }

    /// A password was wrong, or there is no active account with the address; the target is then the nil UUID.
    pub struct SignInFailed: "sign_in.failed", version 1, result Failed {
        user: UserId,
    }
}

/// A password in the form that is hashed: the profile OpaqueString of RFC 8265. Keyboards type the same password with
/// different code points. `Debug` redacts it.
#[derive(Debug, Clone)]
pub struct Password(SecretString);

impl Password {
    /// Maximum length in bytes, normalized. Longer passwords are rejected before they are hashed.
    pub const MAX_LENGTH: usize = 1024;

    /// Normalizes a password as entered.
    pub fn new(text: String) -> Self {
        let entered = SecretString::from(text);
        Self(opaque_string(entered.expose_secret()).into())
    }

    /// Returns the normalized password, for hashing and comparing.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }
}

/// A password that meets the requirements for new passwords. `Debug` redacts it.
///
/// Sign-in accepts any [`Password`], so that stricter rules don't lock existing users out.
#[derive(Debug, Clone)]
pub struct NewPassword(Password);

/// The password doesn't meet the requirements. The message doesn't contain the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a new password has at least 12 characters, at most 1024 bytes, and no control, formatting, invisible or unassigned \
     characters"
)]
pub struct InvalidPassword;

impl NewPassword {
    /// Minimum length in characters, including spaces. NIST SP 800-63B asked for 8 in revision 3; revision 4 asks for
    /// 15 where the password is the only factor.
    pub const MIN_LENGTH: usize = 12;
    /// Maximum length in bytes: the same as at sign-in, so that every new password can be used.
    pub const MAX_LENGTH: usize = Password::MAX_LENGTH;

    /// Returns the password, for hashing.
    pub fn password(&self) -> &Password {
        &self.0
    }
}

impl TryFrom<Password> for NewPassword {
    type Error = InvalidPassword;

    /// Rejects characters that are hard to type again, such as the escape sequence that an arrow key leaves in a prompt
    /// without echo.
    fn try_from(password: Password) -> Result<Self, InvalidPassword> {
        let text = password.secret().expose_secret();
        let length_ok = text.chars().count() >= Self::MIN_LENGTH && text.len() <= Self::MAX_LENGTH;
        if length_ok && find_disallowed(text).is_none() { Ok(Self(password)) } else { Err(InvalidPassword) }
    }
}

/// A signed access token.
#[derive(Debug)]
pub struct AccessToken {
    /// A JWT (RFC 7519), signed with EdDSA (RFC 8037).
    pub token: SecretString,
    /// Time until the token expires.
    pub expires_in: Duration,
}

/// Reasons for a failed sign-in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Unknown address, wrong password or deactivated user. Callers can't tell them apart.
    #[error("the e-mail address or the password is wrong")]
    InvalidCredentials,
    /// Too many sign-ins wait for their password to be hashed, in total or of this client. Doesn't depend on the e-mail
    /// address.
    #[error("too many sign-ins are waiting")]
    Overloaded,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The token couldn't be signed.
    #[error("sign-in failed")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Signs users in.
#[async_trait]
pub trait SignIn: Interface {
    /// Exchanges e-mail and password for an access token. Takes the same time whether or not the user exists.
    ///
    /// A bounded number of sign-ins waits for hashing; further ones are rejected at once. One client address can take only
    /// a part of that number. Clients with unknown addresses count as one.
    ///
    /// The token claims `tenant` as given. Membership isn't checked here, because that would leak which tenants exist;
    /// every request checks it.
    async fn with_password(
        &self,
        email: Option<&Email>,
        password: &Password,
        tenant: Option<&TenantRef>,
        request: &Arc<dyn RequestContext>,
    ) -> Result<AccessToken, SignInError>;
}

/// Issues and verifies access tokens.
pub trait AccessTokens: Interface {
    /// Issues a token for a user who has just been authenticated, with a claim for `tenant` if there is one.
    ///
    /// # Errors
    /// [`SignInError::Internal`] if signing fails.
    fn issue(&self, user: UserId, tenant: Option<&TenantRef>) -> Result<AccessToken, SignInError>;

    /// Checks signature, algorithm, issuer, audience and expiry.
    ///
    /// # Errors
    /// [`CredentialError`], which doesn't say which check failed.
    fn verify(&self, token: &SecretString) -> Result<VerifiedClaims, CredentialError>;
}

/// Reasons why an account can't be created.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// A user with this address exists, possibly deactivated.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// The password couldn't be hashed.
    #[error("the password couldn't be hashed")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Creates accounts on behalf of the operator. It requires no proof and is therefore not available to requests.
#[async_trait]
pub trait OperatorAccounts: Interface {
    /// Creates a user with a password and no memberships, in one transaction.
    async fn create(&self, email: &Email, name: &DisplayName, password: &NewPassword) -> Result<UserId, AccountError>;
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn new_password(text: &str) -> Result<(), InvalidPassword> {
        NewPassword::try_from(Password::new(text.into())).map(drop)
    }

    #[test]
    fn password_length_counts_chars() {
        let longest = "a".repeat(1024);
        for valid in ["twelve chars", "éééééééééééé", "            ", longest.as_str()] {
            assert_eq!(new_password(valid), Ok(()), "{valid:?}");
        }
    }

    /// The examples of RFC 8265, section 4.3, and what keyboards type differently.
    #[rstest]
    #[case::spaces("correct horse battery staple", "correct horse battery staple")]
    #[case::case("Correct Horse Battery Staple", "Correct Horse Battery Staple")]
    #[case::other_letters("\u{3c0}\u{df}\u{e5}", "\u{3c0}\u{df}\u{e5}")]
    #[case::symbols("Jack of \u{2666}s", "Jack of \u{2666}s")]
    #[case::other_space("foo\u{1680}bar", "foo bar")]
    #[case::no_break_space("foo\u{a0}bar\u{3000}", "foo bar ")]
    #[case::decomposed("Mu\u{308}nchen", "M\u{fc}nchen")]
    #[case::fullwidth("\u{ff41}", "\u{ff41}")]
    #[case::control("a\tb\u{200b}", "a\tb\u{200b}")]
    fn password_is_normalized(#[case] entered: &str, #[case] expected: &str) {
        assert_eq!(Password::new(entered.into()).secret().expose_secret(), expected);
    }

    #[test]
    fn new_password_is_measured_normalized() {
        // 1536 bytes as entered, 1024 when composed.
        assert_eq!(new_password(&"e\u{301}".repeat(512)), Ok(()));
        // 12 characters as entered, 6 when composed.
        assert_eq!(new_password(&"e\u{301}".repeat(6)), Err(InvalidPassword));
    }

    #[test]
    fn invalid_password_is_rejected() {
        let (long, long_in_bytes) = ("a".repeat(1025), "é".repeat(513));
        let mistyped = ["tenantry-demo\u{1b}[A", "tenantry\0demo", "\u{feff}tenantry-demo", "tenantry-demo\u{200b}"];
        for invalid in ["", "eleven char", "éééééé", &long, &long_in_bytes].into_iter().chain(mistyped) {
            assert_eq!(new_password(invalid), Err(InvalidPassword), "{invalid:?}");
        }
    }
}
