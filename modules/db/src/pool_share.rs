//! Limits how many connections the transactions of one tenant, or the system transactions with one reason, use at the
//! same time.
//!
//! Transactions that wait for the same locked row keep their connections until `lock_timeout`. Without the limit they
//! could take the whole pool, and all tenants would wait.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use kernel::TenantId;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::{DbError, tx::SystemReason};

/// Whose transactions share the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ShareOf {
    /// The transactions on the rows of a tenant.
    Tenant(TenantId),
    /// The system transactions with this reason that aren't for a known tenant.
    System(SystemReason),
}

impl ShareOf {
    /// Maximum number of connections: a quarter of the pool for a tenant, half of it for the system transactions with
    /// one reason.
    fn max_connections(self, pool_size: u32) -> usize {
        let connections = match self {
            Self::Tenant(_) => pool_size / 4,
            Self::System(_) => pool_size / 2,
        };
        usize::try_from(connections).unwrap_or(usize::MAX).max(1)
    }
}

/// The limits of a pool.
#[derive(Debug)]
pub(super) struct PoolShares {
    pool_size: u32,
    /// Those in use or waited for.
    in_use: Mutex<HashMap<ShareOf, Arc<Semaphore>>>,
}

impl PoolShares {
    pub(super) fn new(pool_size: u32) -> Self {
        Self { pool_size, in_use: Mutex::default() }
    }

    /// Waits until the limit permits another transaction, in the order of the calls. Uses no connection meanwhile. The
    /// permit must be kept until the connection is back in the pool.
    ///
    /// # Errors
    /// [`DbError::TooManyTransactions`] at the deadline.
    pub(super) async fn acquire(&self, of: ShareOf, deadline: Instant) -> Result<OwnedSemaphorePermit, DbError> {
        let permit = timeout_at(deadline, self.semaphore(of).acquire_owned()).await.ok().and_then(Result::ok);
        permit.ok_or(DbError::TooManyTransactions)
    }

    fn semaphore(&self, of: ShareOf) -> Arc<Semaphore> {
        // No critical section can panic halfway, so the map is consistent.
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        // Permits and waiters have a reference. Without one, the semaphore is as good as new.
        in_use.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
        let new_semaphore = || Arc::new(Semaphore::new(of.max_connections(self.pool_size)));
        Arc::clone(in_use.entry(of).or_insert_with(new_semaphore))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Acquires a share that is free.
    async fn acquire(shares: &PoolShares, of: ShareOf) -> OwnedSemaphorePermit {
        shares.acquire(of, Instant::now() + Duration::from_secs(60)).await.unwrap()
    }

    /// Tries to acquire a share for a moment.
    async fn try_acquire(shares: &PoolShares, of: ShareOf) -> Result<OwnedSemaphorePermit, DbError> {
        shares.acquire(of, Instant::now() + Duration::from_millis(20)).await
    }

    #[tokio::test]
    async fn each_tenant_has_its_own_limit() {
        let shares = PoolShares::new(10);
        let [one, other] = [TenantId::new(), TenantId::new()].map(ShareOf::Tenant);
        let used = (acquire(&shares, one).await, acquire(&shares, one).await);
        assert!(matches!(try_acquire(&shares, one).await, Err(DbError::TooManyTransactions)));
        drop((acquire(&shares, other).await, acquire(&shares, ShareOf::System(SystemReason::SignIn)).await));
        drop(used);
        drop(acquire(&shares, one).await);
    }

    #[tokio::test]
    async fn smallest_pool_permits_one_transaction() {
        let (shares, of) = (PoolShares::new(1), ShareOf::Tenant(TenantId::new()));
        let used = acquire(&shares, of).await;
        assert!(try_acquire(&shares, of).await.is_err());
        drop(used);
        drop(acquire(&shares, of).await);
    }

    #[tokio::test]
    async fn unused_share_takes_no_memory() {
        let (shares, of) = (PoolShares::new(4), ShareOf::Tenant(TenantId::new()));
        let used = acquire(&shares, of).await;
        // A transaction that is cancelled while it waits.
        assert!(try_acquire(&shares, of).await.is_err());
        drop(used);
        drop(acquire(&shares, ShareOf::Tenant(TenantId::new())).await);
        assert!(!shares.in_use.lock().unwrap().contains_key(&of));
    }
}
