//! People. They exist apart from tenants; a membership ties the two.

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
    /// A person.
    UserId
}

crate::permission! {
    /// Read the people of the tenant.
    pub UserRead = "user", "read";
}

/// An e-mail address in the one form in which it is stored and compared: trimmed and in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct Email(String);

impl Email {
    /// The longest address that can be delivered to, in bytes (RFC 5321, section 4.5.3.1.3, less the brackets).
    pub const MAX_LENGTH: usize = 254;

    /// The address as stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text isn't an e-mail address. It doesn't say which text: answers never echo input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an e-mail address has a name, one @ and a domain, and at most 254 bytes")]
pub struct InvalidEmail;

impl FromStr for Email {
    type Err = InvalidEmail;

    /// Checks the shape only; whether the address exists is found out by writing to it.
    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim().to_lowercase();
        let (name, domain) = text.split_once('@').ok_or(InvalidEmail)?;
        let whole = !name.is_empty() && !domain.is_empty() && !domain.contains('@');
        let plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
        if whole && plain && text.len() <= Self::MAX_LENGTH { Ok(Self(text)) } else { Err(InvalidEmail) }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

bounded_text! {
    /// What others see of a person: a line of 1 to 200 characters, trimmed.
    DisplayName, 200 characters;
    /// The text can't be what others see of a person.
    InvalidDisplayName
}

/// A person's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Stays the same for good.
    pub id: UserId,
    /// Unique among all people.
    pub email: Email,
    /// What others see.
    pub display_name: String,
    /// When the record was made.
    pub created_at: OffsetDateTime,
    /// When it was last changed.
    pub updated_at: OffsetDateTime,
    /// Set: the person is signed in nowhere, from the next request on.
    pub deactivated_at: Option<OffsetDateTime>,
}

/// A person as others see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserProfile {
    /// Stays the same for good.
    pub id: UserId,
    /// Unique among all people.
    pub email: Email,
    /// What others see.
    pub display_name: String,
    /// Whether the person can sign in.
    pub active: bool,
}

/// A person to be.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Chosen by the caller, so that creating the same person twice is creating them once.
    pub id: UserId,
    /// Unique among all people.
    pub email: Email,
    /// What others see: 1 to 200 characters.
    pub display_name: String,
}

/// The people, for those who may already know that they exist: it asks for no permission itself.
#[async_trait]
pub trait UserRepository: Interface {
    /// The person, unless deactivated or unknown.
    async fn find_active(&self, tx: &mut Tx, id: UserId) -> Result<Option<User>, DbError>;

    /// The person with this address, unless deactivated or unknown.
    async fn find_active_by_email(&self, tx: &mut Tx, email: &Email) -> Result<Option<User>, DbError>;

    /// Those of the people who exist, deactivated or not, in no particular order.
    async fn find_many(&self, tx: &mut Tx, ids: &[UserId]) -> Result<Vec<User>, DbError>;

    /// Makes the person's record. `false`: there is one with this id already, and it stays as it is.
    ///
    /// # Errors
    /// Another person with the same address is a [`DbError::Query`] with the constraint's name.
    async fn create(&self, tx: &mut SystemTx, user: &NewUser) -> Result<bool, DbError>;

    /// Ends the person's access everywhere, from their next request on. `false`: no such active person.
    async fn deactivate(&self, tx: &mut SystemTx, id: UserId) -> Result<bool, DbError>;
}

/// Why there is no profile to show or to change.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The person has been deactivated since the request was let in.
    #[error("no such person")]
    NotFound,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// What people say of themselves. Nobody else changes it: a tenant's admin decides on memberships, not on people, who
/// may be in other tenants as well.
#[async_trait]
pub trait Profiles: Interface {
    /// The person's own record.
    async fn get(&self, identity: &Identity) -> Result<User, ProfileError>;

    /// Changes what others see of the person, in every tenant.
    async fn rename(&self, identity: &Identity, name: &DisplayName) -> Result<User, ProfileError>;
}

/// The module `user`, as others see it.
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
