//! Limits how many connections the transactions of one tenant, or of one system task, hold at the same time.
//!
//! Transactions that wait for the same locked row hold their connections until `lock_timeout`. Without the limit they
//! could hold the whole pool, and all tenants would wait.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kernel::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::tx::SystemReason;

/// Whose transactions share the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ShareOf {
    /// The tenant transactions of a tenant.
    Tenant(TenantId),
    /// The system transactions with this reason.
    System(SystemReason),
}

/// The limits of a pool.
#[derive(Debug)]
pub(super) struct PoolShares {
    /// Maximum number of connections of each tenant and system task.
    max_connections: usize,
    /// Maximum wait for one of them.
    timeout: Duration,
    /// Those in use or waited for.
    in_use: Mutex<HashMap<ShareOf, Arc<Semaphore>>>,
}

impl PoolShares {
    /// Half of the pool, rounded up, is left to all others.
    pub(super) fn new(pool_size: u32, timeout: Duration) -> Self {
        let max_connections = usize::try_from(pool_size / 2).unwrap_or(usize::MAX).max(1);
        Self { max_connections, timeout, in_use: Mutex::default() }
    }

    /// Waits until the limit permits another transaction. Holds no connection meanwhile. Dropping the permit ends the
    /// transaction's share.
    pub(super) async fn acquire(&self, of: ShareOf) -> Result<OwnedSemaphorePermit, sqlx::Error> {
        let permit = tokio::time::timeout(self.timeout, self.semaphore(of).acquire_owned()).await;
        permit.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)
    }

    fn semaphore(&self, of: ShareOf) -> Arc<Semaphore> {
        // No critical section can panic halfway, so the map is consistent.
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        // Permits and waiters have a reference. Without one, the semaphore is as good as new.
        in_use.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
        Arc::clone(in_use.entry(of).or_insert_with(|| Arc::new(Semaphore::new(self.max_connections))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_tenant_has_its_own_limit() {
        let shares = PoolShares::new(5, Duration::from_millis(20));
        let [one, other] = [TenantId::new(), TenantId::new()].map(ShareOf::Tenant);
        let held = (shares.acquire(one).await, shares.acquire(one).await);
        assert!(matches!(shares.acquire(one).await, Err(sqlx::Error::PoolTimedOut)));
        assert!(shares.acquire(other).await.is_ok());
        assert!(shares.acquire(ShareOf::System(SystemReason::SignIn)).await.is_ok());
        drop(held);
        assert!(shares.acquire(one).await.is_ok());
        // Unused entries don't accumulate.
        drop(shares.semaphore(other));
        assert!(shares.in_use.lock().is_ok_and(|in_use| in_use.len() == 1));
    }

    #[tokio::test]
    async fn smallest_pool_permits_one_transaction() {
        let shares = PoolShares::new(1, Duration::from_millis(20));
        let of = ShareOf::Tenant(TenantId::new());
        let held = shares.acquire(of).await;
        assert!(held.is_ok() && shares.acquire(of).await.is_err());
    }
}
