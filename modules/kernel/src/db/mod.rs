//! PostgreSQL: drivers, the ways in, the migration runner.
//!
//! Four ways in, and no fifth:
//!
//! | way in | needs | sees |
//! | --- | --- | --- |
//! | [`Database::begin_unscoped`] | nothing | what belongs to no tenant: people |
//! | [`Database::begin_for_user`] | [`Identity`] | a person's own rows across tenants, read-only |
//! | [`Database::begin`] | [`TenantScope`] | one tenant's rows |
//! | [`SystemDatabase::begin`] | the token, and a [`SystemReason`] to say why | everything |
//!
//! The first three run as the role `tenantry_app`, which owns nothing and is bound by row-level security. So do
//! [`Database::reader`] and [`Database::tenant_reader`]: the first and the third way for a read that is a single
//! statement, which opens its scope itself.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "there are no tables here to check against: these statements are about roles, settings and the schema itself"
)]

#[cfg(feature = "embedded")]
mod embedded_admin;
mod config;
mod server;
mod error;
mod migrate;
mod module;
mod pool;
mod single_statement;
#[cfg(feature = "embedded")]
mod staged_restore;
mod roles;
mod idle_connections;
mod tx;

use async_trait::async_trait;
#[cfg(feature = "embedded")]
pub use embedded_admin::{EmbeddedAdmin, AdminError, inspect};
#[cfg(feature = "embedded")]
pub use config::EmbeddedConfig;
pub use config::{DatabaseUrl, DatabaseUrlError, DbConfig, DbDriver, PostgresConfig};
pub use server::{Db, DbServer, open_db};
/// How the embedded database gets a PostgreSQL, for whoever configures it.
#[cfg(feature = "embedded")]
pub use embedded_postgres::{DownloadOptions, Progress, Proxy, Step};
pub use error::{DbError, MigrateError, OpenError, PoolerDetected};
pub use migrate::{MIGRATIONS, MigrationState, MigrationStatus, Migrator};
pub use module::DbModuleImpl;
pub use single_statement::{Reader, TenantReader};
#[cfg(feature = "embedded")]
pub use staged_restore::{OldDatabase, StagedDatabase};
use shaku::Interface;
pub use tx::{UserTx, SystemTx, TenantTx, Tx};

use crate::contracts::{Identity, TenantScope};

/// The ways in that row-level security bounds.
#[async_trait]
pub trait Database: Interface {
    /// Tenant work: the tenant's rows and no others.
    async fn begin(&self, scope: &TenantScope) -> Result<TenantTx, DbError>;

    /// A person's own rows across tenants, read-only.
    async fn begin_for_user(&self, identity: &Identity) -> Result<UserTx, DbError>;

    /// The same, for single statements that open the scope themselves: see [`TenantReader`].
    fn tenant_reader(&self, scope: &TenantScope) -> TenantReader;

    /// What belongs to no tenant, for single statements.
    fn reader(&self) -> Reader;

    /// What belongs to no tenant, read-only; every tenant table is empty to it.
    async fn begin_unscoped(&self) -> Result<Tx, DbError>;
}

/// Whether requests can be served; apart from [`Database`], so that whoever asks for it gets no way in.
#[async_trait]
pub trait Readiness: Interface {
    /// Whether requests can be served: the database answers, and its schema is the one this program was built for.
    async fn ready(&self) -> Result<(), DbError>;
}

/// The way in that sees every tenant. A token apart, so that each `module.rs` shows who holds it.
#[async_trait]
pub trait SystemDatabase: Interface {
    /// Work that spans tenants, as the role `tenantry_system`.
    async fn begin(&self, reason: SystemReason) -> Result<SystemTx, DbError>;
}

/// Why the whole database is opened. Each reason has a name, so that they can be counted on two hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemReason {
    /// Reading a credential: nobody is known to be anybody yet.
    SignIn,
    /// Making a person with a password, on the operator's word: nobody else writes either.
    CreateAccount,
    /// Founding the demo tenants, and asking whether they are there.
    Seed,
    /// Founding a tenant: there is none yet that anybody could be a member of.
    CreateTenant,
    /// Restoring a tenant: while it is archived, nobody has a scope in it.
    RestoreTenant,
    /// Accepting an invitation: who isn't a member yet has no scope in the tenant.
    AcceptInvitation,
    /// Bringing every tenant to the current version of the policy templates, archived ones included.
    UpgradePolicies,
    /// Changing what a person says of themselves: people belong to no tenant, so no scope bounds who may write whom.
    ChangeProfile,
}
