//! Database access: server, pool, transactions, migrations.
//!
//! There are exactly four kinds of transaction:
//!
//! | begun by | requires | sees |
//! | --- | --- | --- |
//! | [`Database::begin_unscoped`] | nothing | global data (users), read-only |
//! | [`Database::begin_for_user`] | [`Identity`] | the user's rows in all tenants, read-only |
//! | [`Database::begin`] | [`TenantScope`] | the rows of one tenant |
//! | [`SystemDatabase::begin`] | the injected [`SystemDatabase`] and a [`SystemReason`] | everything |
//!
//! The first three run as the role `tenantry_app`, which owns nothing and is bound by row-level security.
//! [`Database::reader`] and [`Database::tenant_reader`] are bound by it as well. They run single-statement reads
//! without a transaction; each statement sets its own scope.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these statements are about roles, settings and the schema, so there are no tables to check them against"
)]

mod config;
#[cfg(feature = "embedded")]
mod embedded_admin;
mod error;
mod idle_connections;
mod migrate;
mod module;
mod pool;
mod roles;
mod server;
mod single_statement;
#[cfg(feature = "embedded")]
mod staged_restore;
mod tx;

use async_trait::async_trait;
#[cfg(feature = "embedded")]
pub use config::EmbeddedConfig;
pub use config::{DatabaseUrl, DatabaseUrlError, DbConfig, DbDriver, PostgresConfig};
#[cfg(feature = "embedded")]
pub use embedded_admin::{AdminError, EmbeddedAdmin, inspect};
/// Configuration of the PostgreSQL download for the embedded database.
#[cfg(feature = "embedded")]
pub use embedded_postgres::{DownloadOptions, Progress, Proxy, Step};
pub use error::{DbError, MigrateError, OpenError, PoolerDetected};
pub use migrate::{MIGRATIONS, MigrationState, MigrationStatus, Migrator};
pub use module::DbModuleImpl;
pub use server::{Db, DbServer, open_db};
use shaku::Interface;
pub use single_statement::{Reader, TenantReader};
#[cfg(feature = "embedded")]
pub use staged_restore::{OldDatabase, StagedDatabase};
pub use tx::{SystemTx, TenantTx, Tx, UserTx};

use crate::contracts::{Identity, TenantScope};

/// Access bound by row-level security.
#[async_trait]
pub trait Database: Interface {
    /// Begins a transaction on the rows of one tenant.
    async fn begin(&self, scope: &TenantScope) -> Result<TenantTx, DbError>;

    /// Begins a read-only transaction on the user's rows in all tenants.
    async fn begin_for_user(&self, identity: &Identity) -> Result<UserTx, DbError>;

    /// Returns a reader for single statements on the rows of one tenant.
    fn tenant_reader(&self, scope: &TenantScope) -> TenantReader;

    /// Returns a reader for single statements on global data.
    fn reader(&self) -> Reader;

    /// Begins a read-only transaction on global data. Tenant tables appear empty.
    async fn begin_unscoped(&self) -> Result<Tx, DbError>;
}

/// Readiness checks. Separate from [`Database`], so that the health endpoint has no data access.
#[async_trait]
pub trait Readiness: Interface {
    /// Checks that the database responds and that its schema matches this program.
    async fn ready(&self) -> Result<(), DbError>;
}

/// Access to the rows of all tenants. A separate trait, so that each `module.rs` shows which components have it.
#[async_trait]
pub trait SystemDatabase: Interface {
    /// Begins a transaction as the role `tenantry_system`, which sees all tenants.
    async fn begin(&self, reason: SystemReason) -> Result<SystemTx, DbError>;
}

/// Why a transaction needs access to all tenants. A closed list, for auditing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemReason {
    /// Read credentials. The caller isn't authenticated yet.
    SignIn,
    /// Create an account on behalf of the operator. No other role may write users and credentials.
    CreateAccount,
    /// Create the demo tenants, or check whether they exist.
    Seed,
    /// Create a tenant. It has no members yet who could have a scope in it.
    CreateTenant,
    /// Restore a tenant. There is no scope in an archived tenant.
    RestoreTenant,
    /// Accept an invitation. The invitee has no scope in the tenant yet.
    AcceptInvitation,
    /// Upgrade the policy templates of all tenants, including archived ones.
    UpgradePolicies,
    /// Update a user's own profile. Users are global, so no tenant scope restricts who may write whom.
    ChangeProfile,
}
