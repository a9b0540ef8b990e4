//! The demo people.

use kernel::{
    contracts::{Email, InvalidEmail, NewUser, UserId, UserRepository},
    db::{DbError, SystemTx, Tx},
};
use uuid::uuid;

use crate::postgres::PgUserRepository;

/// Alice: admin of both demo tenants.
pub const ALICE: UserId = UserId::from_uuid(uuid!("019a0000-0000-7000-8000-00000000a11c"));
/// Bob: a member of one.
pub const BOB: UserId = UserId::from_uuid(uuid!("019a0000-0000-7000-8000-000000000b0b"));

/// A demo person.
#[derive(Debug, Clone)]
pub struct SeededUser {
    /// Fixed.
    pub id: UserId,
    /// To sign in with.
    pub email: Email,
    /// Whether this run made the record.
    pub created: bool,
}

/// The demo people.
#[derive(Debug, Clone)]
pub struct UserSeed {
    /// alice@example.com
    pub alice: SeededUser,
    /// bob@example.com
    pub bob: SeededUser,
}

/// Why the people couldn't be made.
#[derive(Debug, thiserror::Error)]
pub enum UserSeedError {
    /// A constant above isn't an address.
    #[error(transparent)]
    Email(#[from] InvalidEmail),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Makes the people who aren't there yet.
///
/// # Errors
/// Another person already has one of the addresses.
pub async fn seed(tx: &mut SystemTx) -> Result<UserSeed, UserSeedError> {
    Ok(UserSeed {
        alice: person(tx, ALICE, "alice@example.com", "Alice Adams").await?,
        bob: person(tx, BOB, "bob@example.com", "Bob Brown").await?,
    })
}

async fn person(tx: &mut SystemTx, id: UserId, email: &str, name: &str) -> Result<SeededUser, UserSeedError> {
    let user = NewUser { id, email: email.parse()?, display_name: name.into() };
    let created = PgUserRepository.create(tx, &user).await?;
    Ok(SeededUser { id, email: user.email, created })
}

/// Whether one of the demo people is there and active.
///
/// # Errors
/// The database can't be asked.
pub async fn exist(tx: &mut Tx) -> Result<bool, DbError> {
    let people = PgUserRepository.find_many(tx, &[ALICE, BOB]).await?;
    Ok(people.iter().any(|person| person.deactivated_at.is_none()))
}
