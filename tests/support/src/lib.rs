//! Database fixtures for every crate's tests.
//!
//! Each test gets its own database, cloned from a template that is migrated once, and drops it at the end. So tests run
//! in parallel. The server is the one in `TEST_DATABASE_URL`, or else an embedded server that stops with the test
//! process. PostgreSQL is found, or downloaded, as by the program.
//!
//! - [`test_db()`]: a migrated database
//! - [`seeded()`]: a migrated database with the demo data, and its ids
//! - [`TestDb::create_user`], [`TestDb::create_tenant`], [`TestDb::create_role`], [`TestDb::add_member`],
//!   [`TestDb::create_member`]: factories with fresh ids
//! - [`TestDb::insert_generated_tenants`]: tenants in large numbers
//! - [`FailoverDb`]: a database on a separate server, which a lagging standby replaces
//! - [`TestDb::identity`], [`TestDb::scope`], [`TestDb::permit`], [`TestDb::restore_permit`]: the
//!   proofs, resolved as in a request; there is no test-only constructor
//!
//! The root package's tests depend on this crate, so it must not depend on the root package.
#![expect(clippy::unwrap_used, reason = "used by tests only, where a panic fails the test")]

mod auth;
mod db_roles;
mod factories;
mod failover;
mod fixture_event;
mod generated_tenants;
mod lock_waiters;
mod server;
#[cfg(test)]
mod server_settings;
mod template_db;

pub use auth::{Request, request_from};
pub use db_roles::{Logins, OwnedDb};
pub use factories::TestTenant;
pub use failover::FailoverDb;
pub use fixture_event::fixture_event;
pub use generated_tenants::{GeneratedAdmin, RowCounts};
pub use lock_waiters::{lock_waiters, wait_for_lock_waiters};
use rstest::fixture;
pub use server::{search_path, temp_dir};
pub use template_db::{SeededDb, TempDb, TestDb, role_names};

/// Returns a migrated database.
#[fixture]
pub async fn test_db() -> TestDb {
    TestDb::migrated().await
}

/// Returns a migrated database with the demo data and its ids.
#[fixture]
pub async fn seeded() -> SeededDb {
    SeededDb::new().await
}
