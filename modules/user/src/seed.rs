//! Demo users.

use std::error::Error;

use db::{DbError, SystemTx, Tx};
use kernel::{Email, UserId};
use user_api::{NewUser, UserRepository};
use uuid::uuid;

use crate::users::PgUserRepository;

/// Alice: admin of both demo tenants.
pub const ALICE: UserId = UserId::from_uuid(uuid!("019a0000-0000-7000-8000-00000000a11c"));
/// Bob: a member of Acme.
pub const BOB: UserId = UserId::from_uuid(uuid!("019a0000-0000-7000-8000-000000000b0b"));

/// A demo user.
#[derive(Debug, Clone)]
pub struct SeededUser {
    /// The fixed id.
    pub id: UserId,
    /// The address to sign in with.
    pub email: Email,
    /// Whether this run created the user.
    pub created: bool,
}

/// The demo users.
#[derive(Debug, Clone)]
pub struct UserSeed {
    /// alice@example.com
    pub alice: SeededUser,
    /// bob@example.com
    pub bob: SeededUser,
}

/// Creates the missing demo users.
///
/// # Errors
/// Fails if another user has one of the addresses.
pub async fn seed(tx: &mut SystemTx) -> Result<UserSeed, Box<dyn Error + Send + Sync>> {
    Ok(UserSeed {
        alice: seed_user(tx, ALICE, "alice@example.com", "Alice Adams").await?,
        bob: seed_user(tx, BOB, "bob@example.com", "Bob Brown").await?,
    })
}

async fn seed_user(
    tx: &mut SystemTx,
    id: UserId,
    email: &str,
    name: &str,
) -> Result<SeededUser, Box<dyn Error + Send + Sync>> {
    let user = NewUser { id, email: email.parse()?, display_name: name.into() };
    let created = PgUserRepository.create(tx, &user).await?;
    Ok(SeededUser { id, email: user.email, created })
}

/// Returns whether one of the demo users exists and is active.
pub async fn any_active(tx: &mut Tx) -> Result<bool, DbError> {
    let users = PgUserRepository.find_many(tx, &[ALICE, BOB]).await?;
    Ok(users.iter().any(|user| user.deactivated_at.is_none()))
}
