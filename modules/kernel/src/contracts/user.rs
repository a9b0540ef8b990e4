//! Users. They are global; memberships connect them to tenants.

use std::{fmt, str::FromStr};

use async_trait::async_trait;
use shaku::{HasComponent, Interface};
use time::OffsetDateTime;

use super::{Identity, bounded_text::bounded_text};
use crate::{
    db::{DbError, SystemTx, Tx},
    id::id,
};

id! {
    /// A user.
    UserId
}

crate::permission! {
    /// Read the members of the tenant.
    pub UserRead = "user", "read";
}

/// An e-mail address in normalized form: trimmed and in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct Email(String);

impl Email {
    /// Maximum length of a deliverable address in bytes (RFC 5321, section 4.5.3.1.3, without the angle brackets).
    pub const MAX_LENGTH: usize = 254;

    /// The address as stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text isn't an e-mail address. The message doesn't contain the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an e-mail address has a name, one @ and a domain, and at most 254 bytes")]
pub struct InvalidEmail;

impl FromStr for Email {
    type Err = InvalidEmail;

    /// Checks only the syntax, not whether the address exists.
    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim().to_lowercase();
        let (name, domain) = text.split_once('@').ok_or(InvalidEmail)?;
        let parts_ok = !name.is_empty() && !domain.is_empty() && !domain.contains('@');
        let chars_ok = !text.chars().any(|c| c.is_whitespace() || c.is_control());
        if parts_ok && chars_ok && text.len() <= Self::MAX_LENGTH { Ok(Self(text)) } else { Err(InvalidEmail) }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

bounded_text! {
    /// Display name of a user: a single line of 1 to 200 characters, trimmed.
    DisplayName, 200 characters;
    /// The text isn't a valid display name.
    InvalidDisplayName
}

/// A user record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Immutable id.
    pub id: UserId,
    /// Unique among all users.
    pub email: Email,
    /// Display name.
    pub display_name: String,
    /// Time of creation.
    pub created_at: OffsetDateTime,
    /// Time of the last update.
    pub updated_at: OffsetDateTime,
    /// Time of deactivation. A deactivated user is rejected from the next request on.
    pub deactivated_at: Option<OffsetDateTime>,
}

/// A user, as shown to other members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserProfile {
    /// Immutable id.
    pub id: UserId,
    /// Unique among all users.
    pub email: Email,
    /// Display name.
    pub display_name: String,
    /// Whether the user can sign in.
    pub active: bool,
}

/// Input for creating a user.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Chosen by the caller, which makes creation idempotent.
    pub id: UserId,
    /// Unique among all users.
    pub email: Email,
    /// Display name: 1 to 200 characters.
    pub display_name: String,
}

/// Access to user records. It checks no permission: callers must already be entitled to know that the user exists.
#[async_trait]
pub trait UserRepository: Interface {
    /// Returns the user; `None` if unknown or deactivated.
    async fn find_active(&self, tx: &mut Tx, id: UserId) -> Result<Option<User>, DbError>;

    /// Returns the user with this address; `None` if unknown or deactivated.
    async fn find_active_by_email(&self, tx: &mut Tx, email: &Email) -> Result<Option<User>, DbError>;

    /// Returns the users that exist, including deactivated ones, in no particular order.
    async fn find_many(&self, tx: &mut Tx, ids: &[UserId]) -> Result<Vec<User>, DbError>;

    /// Creates a user. `false`: a user with this id exists and is left unchanged.
    ///
    /// # Errors
    /// [`DbError::Query`] with the name of the violated constraint if another user has the address.
    async fn create(&self, tx: &mut SystemTx, user: &NewUser) -> Result<bool, DbError>;

    /// Deactivates a user, effective from their next request. `false`: there is no such active user.
    async fn deactivate(&self, tx: &mut SystemTx, id: UserId) -> Result<bool, DbError>;
}

/// Reasons why a profile can't be returned or updated.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The user was deactivated after the request had been admitted.
    #[error("no such user")]
    NotFound,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Users' own profiles. Only users themselves can update them: a tenant's admin manages memberships, not users, who
/// may belong to other tenants as well.
#[async_trait]
pub trait Profiles: Interface {
    /// Returns the caller's own record.
    async fn get(&self, identity: &Identity) -> Result<User, ProfileError>;

    /// Updates the caller's display name, which is shown in every tenant.
    async fn rename(&self, identity: &Identity, name: &DisplayName) -> Result<User, ProfileError>;
}

/// The interface of the module `user`.
pub trait UserModule: HasComponent<dyn Profiles> + HasComponent<dyn UserRepository> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn email_is_normalized() {
        assert_eq!(" Alice@Example.COM ".parse::<Email>().map(|e| e.to_string()), Ok("alice@example.com".into()));
    }

    #[test]
    fn invalid_email_is_rejected() {
        let long = format!("{}@example.com", "a".repeat(250));
        for text in ["", "@", "a@", "@b", "a@b@c", "a b@c", "a@b\n.c", long.as_str()] {
            assert_eq!(text.parse::<Email>(), Err(InvalidEmail), "{text:?}");
        }
    }
}
