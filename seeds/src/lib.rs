//! The demo data: the modules' seeds in dependency order, in one transaction.
//!
//! Seeding is idempotent: every id is fixed, and existing rows are left unchanged. The command `tenantry seed` rejects
//! production, and a build without the feature `seeds` doesn't contain it.

use std::error::Error;

pub use auth::seed::PASSWORD;
use authorization::seed::{AuthorizationSeed, AuthorizationSeedError, SeededTenant};
use db::{DbError, SystemAuditEvents, SystemDatabase, SystemReason, UnauditedReason};
use kernel::{Caller, OperatorCommand};
use user::seed::UserSeed;

/// The seeded records, such as `seed.users.alice.id`.
#[derive(Debug, Clone)]
pub struct Seed {
    /// Alice and Bob.
    pub users: UserSeed,
    /// Acme and Globex with their memberships and invitations.
    pub tenants: AuthorizationSeed,
    /// Whether this run created the passwords of Alice and Bob.
    pub passwords: [bool; 2],
    /// The report on the records of other modules.
    module_report: Vec<ReportLine>,
}

/// A line of the report: one seeded record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportLine {
    /// Module that owns the record.
    pub module: &'static str,
    /// Description of the record.
    pub item: String,
    /// Whether this run created it; false if it already existed.
    pub created: bool,
}

/// Seeding failed and the transaction was rolled back.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// A database error.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The users could not be created.
    #[error("failed to create the demo users")]
    Users(#[source] Box<dyn Error + Send + Sync>),
    /// The passwords could not be set.
    #[error("failed to set the demo passwords")]
    Auth(#[source] Box<dyn Error + Send + Sync>),
    /// The tenants could not be created.
    #[error("failed to create the demo tenants")]
    Authorization(#[from] AuthorizationSeedError),
}

/// Seeds the demo data. Changes nothing on error.
pub async fn run(system: &dyn SystemDatabase) -> Result<Seed, SeedError> {
    let mut tx = system.begin(SystemReason::Seed).await?;
    let users = user::seed::seed(&mut tx).await.map_err(SeedError::Users)?;
    let passwords = auth::seed::seed(&mut tx, [users.alice.id, users.bob.id]).await.map_err(SeedError::Auth)?;
    let tenants = authorization::seed::seed(&mut tx, users.alice.id, users.bob.id).await?;
    let (acme, globex, mut module_report) = (tenants.acme.id, tenants.globex.id, Vec::new());
    module_report.extend(lines("billing", billing::seed::seed(&mut tx, acme, globex).await?));
    let created = [&tenants.acme, &tenants.globex].into_iter().filter_map(SeededTenant::creation_event);
    match SystemAuditEvents::of_tenants(created) {
        Some(events) => tx.commit(&Caller::operator(OperatorCommand::Seed), events).await?,
        None => tx.commit_unaudited(UnauditedReason::DemoData).await?,
    }
    Ok(Seed { users, tenants, passwords, module_report })
}

/// Returns the report on a module's records: the description of each, and whether this run created it.
fn lines<const N: usize>(module: &'static str, records: [(&str, bool); N]) -> [ReportLine; N] {
    records.map(|(item, created)| ReportLine { module, item: item.into(), created })
}

impl Seed {
    /// Returns a human-readable report, one line per record.
    pub fn report(&self) -> Vec<ReportLine> {
        let Self { users, tenants, passwords, module_report } = self;
        let line = |module, item: &str, created| ReportLine { module, item: item.into(), created };
        let mut report = vec![
            line("user", users.alice.email.as_str(), users.alice.created),
            line("user", users.bob.email.as_str(), users.bob.created),
            line("auth", "Alice's password", passwords[0]),
            line("auth", "Bob's password", passwords[1]),
            line("authorization", "Acme Corp (acme)", tenants.acme.created),
            line("authorization", "Globex Inc (globex)", tenants.globex.created),
        ];
        report.extend(tenants.memberships.iter().map(|m| line("authorization", m.title, m.created)));
        report.extend(tenants.invitations.iter().map(|i| line("authorization", i.title, i.created)));
        report.extend_from_slice(module_report);
        report
    }
}
