//! Database fixtures for every crate's tests.
//!
//! Each test has a database of its own, cloned from a template that was migrated once and dropped at the test's end, so
//! all run in parallel. The server is the one that `TEST_DATABASE_URL` names, else an embedded one that ends with the
//! test process.
//!
//! - [`db()`]: a migrated database
//! - [`seeded()`]: the same with the demo data, and the ids in it
//! - [`TestDb::make_user`], [`TestDb::make_tenant`], [`TestDb::make_role`], [`TestDb::make_member`]: more of them, with fresh ids
//! - [`TestDb::identity`], [`TestDb::scope`], [`TestDb::permit`], [`TestDb::restore_permit`]: the proofs, resolved for real:
//!   there is no other way
//!
//! It never depends on the root package, which depends on it.
#![expect(clippy::unwrap_used, reason = "only tests use this crate, and a panic fails the test")]

mod clones;
#[cfg(test)]
mod differences;
mod factories;
mod logins;
mod proofs;
mod server;

pub use clones::{EmptyDb, Seeded, TestDb};
pub use factories::MadeTenant;
pub use logins::{Logins, OwnedDb};
pub use proofs::{Request, Requests};
use rstest::fixture;
pub use server::search_path;

/// A migrated database of the test's own.
#[fixture]
pub async fn db() -> TestDb {
    TestDb::migrated().await
}

/// A database of the test's own with the demo data, and the ids in it.
#[fixture]
pub async fn seeded() -> Seeded {
    Seeded::new().await
}
