//! The demo data: the modules' seeds composed in dependency order, in one transaction.
//!
//! Run twice it is run once: every id is fixed, and what is there stays as it is. In production the
//! command refuses, and a build without the feature `seeds` doesn't contain it.

use auth::seed::AuthSeedError;
use authorization::seed::{AuthorizationSeed, AuthorizationSeedError};
use billing::seed::BillingSeed;
use kernel::db::{DbError, SystemDatabase, SystemReason};
use user::seed::{UserSeed, UserSeedError};

pub use auth::seed::PASSWORD;

/// What was seeded: `seed.users.alice.id`.
#[derive(Debug, Clone)]
pub struct Seed {
    /// Alice and Bob.
    pub users: UserSeed,
    /// Acme and Globex, and who is in them.
    pub tenants: AuthorizationSeed,
    /// A subscription each.
    pub billing: BillingSeed,
    /// Whether this run gave Alice and Bob their passwords.
    pub passwords: [bool; 2],
}

/// A line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportLine {
    /// Whose data it is.
    pub module: &'static str,
    /// What it is.
    pub what: String,
    /// Whether this run made it; else it was there.
    pub created: bool,
}

/// Why nothing was seeded: the transaction is whole or it isn't at all.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The people.
    #[error("the demo people couldn't be made")]
    Users(#[from] UserSeedError),
    /// Their passwords.
    #[error("the demo passwords couldn't be set")]
    Auth(#[from] AuthSeedError),
    /// The tenants.
    #[error("the demo tenants couldn't be made")]
    Authorization(#[from] AuthorizationSeedError),
}

/// Seeds the demo data.
///
/// # Errors
/// [`SeedError`]; nothing has changed then.
pub async fn run(system: &dyn SystemDatabase) -> Result<Seed, SeedError> {
    let mut tx = system.begin(SystemReason::Seed).await?;
    let users = user::seed::seed(&mut tx).await?;
    let passwords = auth::seed::seed(&mut tx, [users.alice.id, users.bob.id]).await?;
    let tenants = authorization::seed::seed(&mut tx, users.alice.id, users.bob.id).await?;
    let billing = billing::seed::seed(&mut tx, tenants.acme.id, tenants.globex.id).await?;
    tx.commit().await?;
    Ok(Seed { users, tenants, billing, passwords })
}

impl Seed {
    /// What was done, for people to read.
    pub fn report(&self) -> Vec<ReportLine> {
        let Self { users, tenants, billing, passwords } = self;
        let line = |module, what: &str, created| ReportLine { module, what: what.into(), created };
        let mut lines = vec![
            line("user", users.alice.email.as_str(), users.alice.created),
            line("user", users.bob.email.as_str(), users.bob.created),
            line("auth", "Alice's password", passwords[0]),
            line("auth", "Bob's password", passwords[1]),
            line("authorization", "Acme Corp (acme)", tenants.acme.created),
            line("authorization", "Globex Inc (globex)", tenants.globex.created),
        ];
        lines.extend(tenants.memberships.iter().map(|m| line("authorization", m.title, m.created)));
        lines.extend(tenants.invitations.iter().map(|i| line("authorization", i.title, i.created)));
        lines.push(line("billing", "Acme's subscription: enterprise", billing.acme.created));
        lines.push(line("billing", "Globex's subscription: pro", billing.globex.created));
        lines
    }
}
