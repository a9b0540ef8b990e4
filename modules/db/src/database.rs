//! Access to the database, as traits for dependency injection.

use async_trait::async_trait;
use kernel::{Identity, TenantId, TenantScope};
use shaku::Interface;

use tokio::time::timeout;

use crate::{
    DbError, Reader, SystemReason, SystemTx, TenantReader, TenantTx, Tx, UserTx,
    deadlines::{READINESS_DEADLINE, no_response},
    migrate::AppliedMigrations,
    pool::Pool,
    pool_share::ShareOf,
    single_statement::{record_check, scope_argument},
};

/// Access bound by row-level security.
#[async_trait]
pub trait Database: Interface {
    /// Begins a transaction on the rows of one tenant. For the scope of a read (GET or HEAD), this also confirms
    /// the admission.
    ///
    /// # Errors
    /// [`DbError::AdmissionOutdated`] if anything that the admission depends on has changed.
    async fn begin(&self, scope: &TenantScope) -> Result<TenantTx, DbError>;

    /// Begins a read-only transaction on the user's rows in all tenants.
    async fn begin_for_user(&self, identity: &Identity) -> Result<UserTx, DbError>;

    /// Returns a reader for single statements on the rows of one tenant.
    fn tenant_reader(&self, scope: &TenantScope) -> TenantReader;

    /// Returns a reader for single statements that set their scope.
    fn reader(&self) -> Reader;

    /// Begins a read-only transaction without a scope: it sees no rows of users or tenants.
    async fn begin_unscoped(&self) -> Result<Tx, DbError>;
}

/// Readiness checks. Separate from [`Database`], so that the health endpoint has no data access.
#[async_trait]
pub trait Readiness: Interface {
    /// Checks that the database responds, that it isn't a standby, and that its schema matches this program.
    async fn ready(&self) -> Result<(), DbError>;
}

/// Access to the rows of all tenants. A separate trait, so that each `module.rs` shows which components have it.
#[async_trait]
pub trait SystemDatabase: Interface {
    /// Begins a transaction as the role of system transactions, which sees all tenants.
    async fn begin(&self, reason: SystemReason) -> Result<SystemTx, DbError>;

    /// Like [`Self::begin`], for work on one tenant. The transaction counts towards the tenant's limit of connections.
    async fn begin_for_tenant(&self, reason: SystemReason, tenant: TenantId) -> Result<SystemTx, DbError>;
}

#[async_trait]
impl Database for Pool {
    async fn begin(&self, scope: &TenantScope) -> Result<TenantTx, DbError> {
        let (tenant, check) = (scope.tenant(), scope.admission_check());
        let argument = scope_argument(check).iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let begin_sql = format!("BEGIN READ WRITE; SELECT admitted_scope('{{{argument}}}')");
        let begun = self.open_limited(ShareOf::Tenant(tenant), begin_sql, None).await;
        record_check(check, begun.as_ref().err());
        Ok(TenantTx::new(begun?, tenant, scope.caller().clone()))
    }

    async fn begin_for_user(&self, identity: &Identity) -> Result<UserTx, DbError> {
        let user = identity.user();
        let begin_sql = format!("BEGIN READ ONLY; SELECT user_scope('{user}')");
        Ok(UserTx::new(self.open_transaction(begin_sql).await?, user))
    }

    fn reader(&self) -> Reader {
        Reader::new(self.clone())
    }

    fn tenant_reader(&self, scope: &TenantScope) -> TenantReader {
        TenantReader::new(self.clone(), scope.admission_check())
    }

    async fn begin_unscoped(&self) -> Result<Tx, DbError> {
        // After the first query a transaction can't be switched to read-write.
        self.open_transaction("BEGIN READ ONLY; SELECT".into()).await
    }
}

#[async_trait]
impl Readiness for Pool {
    async fn ready(&self) -> Result<(), DbError> {
        let checked = timeout(READINESS_DEADLINE, check_readiness(self)).await;
        checked.unwrap_or_else(|_| Err(no_response(READINESS_DEADLINE).into()))
    }
}

async fn check_readiness(pool: &Pool) -> Result<(), DbError> {
    let mut tx = pool.begin_unscoped().await?;
    if is_standby(&mut tx).await? {
        // After a failover, new connections may lead to the new primary.
        tx.discard();
        pool.close_idle();
        tx = pool.begin_unscoped().await?;
        if is_standby(&mut tx).await? {
            tx.discard();
            return Err(DbError::Standby);
        }
    }
    let Some(applied) = AppliedMigrations::read_as_application(tx.without_deadline()).await? else {
        return Err(DbError::SchemaNotCurrent);
    };
    applied.ensure_current().map_err(|_| DbError::SchemaNotCurrent)
}

async fn is_standby(tx: &mut Tx) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(tx.conn()).await?)
}

#[async_trait]
impl SystemDatabase for Pool {
    async fn begin(&self, reason: SystemReason) -> Result<SystemTx, DbError> {
        self.begin_system(ShareOf::System(reason), reason).await
    }

    async fn begin_for_tenant(&self, reason: SystemReason, tenant: TenantId) -> Result<SystemTx, DbError> {
        self.begin_system(ShareOf::Tenant(tenant), reason).await
    }
}

impl Pool {
    async fn begin_system(&self, share: ShareOf, reason: SystemReason) -> Result<SystemTx, DbError> {
        let tx = self.open_limited(share, "BEGIN READ WRITE".into(), Some(self.roles.quoted_system())).await?;
        tracing::debug!(?reason, "began a system transaction");
        Ok(SystemTx::new(tx, reason))
    }
}
