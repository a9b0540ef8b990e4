//! The transaction of a guarded change, and the lock that serializes a tenant's changes.

use std::ops::{Deref, DerefMut};

use authorization_api::TenantStatus;
use db::{Database, DbError, TenantTx, Tx};
use kernel::{AuditEvents, TenantId, TenantScope};

/// A transaction that has locked its tenant, which is active. Statements of the authorization module that write on
/// behalf of a member require it. Only [`super::GuardedChange`] provides it, after reauthorizing the caller, or after
/// checking membership for a change that any member may make.
#[derive(Debug)]
pub(crate) struct GuardedTx(TenantTx);

impl GuardedTx {
    /// Begins a transaction and locks the tenant, after waiting for other changes. Returns `None` if it isn't active.
    pub(super) async fn begin(database: &dyn Database, scope: &TenantScope) -> Result<Option<Self>, DbError> {
        let mut tx = database.begin(scope).await?;
        let status = lock_tenant(&mut tx, scope.tenant()).await?;
        Ok((status == Some(TenantStatus::Active)).then_some(Self(tx)))
    }

    pub(super) async fn commit(self, events: AuditEvents) -> Result<(), DbError> {
        self.0.commit(events).await
    }
}

impl Deref for GuardedTx {
    type Target = TenantTx;

    fn deref(&self) -> &TenantTx {
        &self.0
    }
}

impl DerefMut for GuardedTx {
    fn deref_mut(&mut self) -> &mut TenantTx {
        &mut self.0
    }
}

/// Locks the tenant until the transaction ends, after waiting for other changes. Every change to the tenant, its roles,
/// policies, members or invitations takes this lock first. Returns the tenant's status, or `None` if there is no such tenant.
pub(crate) async fn lock_tenant(tx: &mut Tx, tenant: TenantId) -> Result<Option<TenantStatus>, DbError> {
    let status = sqlx::query_scalar!(
        r#"SELECT status AS "status: TenantStatus"
           FROM tenants
           WHERE id = $1
           FOR NO KEY UPDATE"#,
        tenant.as_uuid(),
    );
    Ok(status.fetch_optional(tx.conn()).await?)
}
