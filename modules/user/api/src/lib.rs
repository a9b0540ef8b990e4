//! What other modules may use of the module `user`. Users are global; memberships connect them to tenants.

use async_trait::async_trait;
use db::{DbError, SystemTx, Tx};
use kernel::{Change, Email, Identity, UserId, audit_events, bounded_text};
use shaku::Interface;
use time::OffsetDateTime;

bounded_text! {
    /// Display name of a user: a single line of 1 to 200 characters, trimmed.
    DisplayName, 200 characters
}

audit_events! {
    /// The operator created an account.
    pub struct UserCreated: "user.created", version 1 {
        user: UserId,
        email: Email,
        name: DisplayName,
    }

    /// A user changed their display name.
    pub struct UserRenamed: "user.renamed", version 1 {
        user: UserId,
        name: Change<DisplayName>,
    }
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
