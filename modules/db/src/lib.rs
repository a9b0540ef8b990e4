//! Database access: server, pool, transactions, migrations.
//!
//! There are exactly four kinds of transaction:
//!
//! | begun by | requires | sees |
//! | --- | --- | --- |
//! | [`Database::begin_unscoped`] | nothing | no rows of users or tenants, read-only |
//! | [`Database::begin_for_user`] | [`kernel::Identity`] | the user's rows in all tenants, read-only |
//! | [`Database::begin`] | [`kernel::TenantScope`] | the rows of one tenant |
//! | [`SystemDatabase::begin`] | the injected [`SystemDatabase`] and a [`SystemReason`] | everything |
//!
//! The first three run as the application role ([`RoleNames::app`]), which owns nothing and is subject to row-level
//! security. So do [`Database::reader`] and [`Database::tenant_reader`], which run single-statement reads without a
//! transaction; each statement sets its own scope.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these statements are about roles, settings and the schema, so there are no tables to check them against"
)]

mod audit_records;
mod config;
mod constants;
mod database;
mod database_url;
mod deadlines;
#[cfg(feature = "embedded")]
mod embedded_admin;
#[cfg(feature = "embedded")]
mod embedded_server;
mod error;
mod external_admin;
mod idle_connections;
mod libpq_env;
mod migrate;
mod module;
mod outcome;
mod pool;
mod pool_share;
mod recorded_access;
mod role_names;
mod roles;
mod server;
mod single_statement;
mod sqlstate;
#[cfg(feature = "embedded")]
mod staged_restore;
mod tx;
mod tx_connection;

pub use audit_records::{SystemAuditEvents, UnauditedReason};
pub use config::{DbConfig, DbDriver, PostgresConfig};
pub use database::{Database, Readiness, SystemDatabase};
pub use database_url::{DatabaseUrl, DatabaseUrlError};
/// Configuration of the PostgreSQL download for the embedded database.
#[cfg(feature = "embedded")]
pub use embedded_postgres::{DownloadOptions, Progress, Proxy, Step};
pub use error::{AccessChanged, DbError, MigrateError, OpenError, PoolerDetected};
pub use external_admin::{ExternalAdmin, ExternalAdminError};
pub use migrate::{MIGRATIONS, MigrationState, MigrationStatus, Migrator};
pub use module::DbModule;
pub use role_names::{RoleNames, RolePrefixError};
pub use server::{Db, DbServer, open_db};
pub use single_statement::{Reader, TenantReader};
pub use tx::{SystemReason, SystemTx, TenantTx, Tx, UserTx, task_result};
#[cfg(feature = "embedded")]
pub use {
    config::EmbeddedConfig,
    embedded_admin::{AdminError, EmbeddedAdmin, inspect},
    staged_restore::{OldDatabase, StagedDatabase},
};
