//! Limits the changes that one tenant makes at once. A tenant's changes wait for one another anyway. Without the limit,
//! each would keep a connection of the pool meanwhile, and other tenants would find none.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use authorization_api::{AcceptError, ChangeError};
use kernel::TenantId;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// Maximum number of changes of a tenant with a connection: one has the tenant's lock, the other begins meanwhile.
const MAX_RUNNING_CHANGES: usize = 2;
/// Maximum number of changes of a tenant, waiting ones included.
const MAX_CHANGES: usize = 34;
/// Maximum time that a change waits to run.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// The changes in progress, by tenant. A tenant without any takes no memory.
#[derive(Debug, Clone)]
pub(crate) struct ChangeQueue {
    by_tenant: Arc<Mutex<HashMap<TenantId, TenantQueue>>>,
    max_wait: Duration,
}

#[derive(Debug)]
struct TenantQueue {
    running: Arc<Semaphore>,
    changes: usize,
}

/// Too many changes of the tenant wait, or this one waited too long.
#[derive(Debug)]
pub(crate) struct QueueFull;

/// The right to run a change until dropped.
#[derive(Debug)]
pub(crate) struct ChangeSlot {
    _running: OwnedSemaphorePermit,
    _place: QueuePlace,
}

/// A place in the queue of a tenant. Dropping it leaves the queue.
#[derive(Debug)]
struct QueuePlace {
    queue: ChangeQueue,
    tenant: TenantId,
}

impl Default for ChangeQueue {
    fn default() -> Self {
        Self { by_tenant: Arc::default(), max_wait: MAX_WAIT }
    }
}

impl ChangeQueue {
    /// Waits for a slot in the order of the calls.
    pub(super) async fn wait(&self, tenant: TenantId) -> Result<ChangeSlot, QueueFull> {
        let (running, place) = self.enter(tenant).ok_or(QueueFull)?;
        let running = timeout(self.max_wait, running.acquire_owned()).await.ok().and_then(Result::ok);
        Ok(ChangeSlot { _running: running.ok_or(QueueFull)?, _place: place })
    }

    fn enter(&self, tenant: TenantId) -> Option<(Arc<Semaphore>, QueuePlace)> {
        let mut queues = self.lock();
        let new_queue = || TenantQueue { running: Arc::new(Semaphore::new(MAX_RUNNING_CHANGES)), changes: 0 };
        let queue = queues.entry(tenant).or_insert_with(new_queue);
        if queue.changes >= MAX_CHANGES {
            return None;
        }
        queue.changes += 1;
        Some((Arc::clone(&queue.running), QueuePlace { queue: self.clone(), tenant }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, TenantQueue>> {
        // No operation under the lock leaves the map inconsistent.
        self.by_tenant.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for QueuePlace {
    fn drop(&mut self) {
        let mut queues = self.queue.lock();
        if let Some(queue) = queues.get_mut(&self.tenant) {
            queue.changes -= 1;
            if queue.changes == 0 {
                queues.remove(&self.tenant);
            }
        }
    }
}

impl From<QueueFull> for ChangeError {
    fn from(_: QueueFull) -> Self {
        Self::TooManyChanges
    }
}

impl From<QueueFull> for AcceptError {
    fn from(_: QueueFull) -> Self {
        Self::TooManyChanges
    }
}

#[cfg(test)]
mod tests {
    use std::iter::repeat_with;

    use super::*;

    fn queue(max_wait: Duration) -> ChangeQueue {
        ChangeQueue { max_wait, ..ChangeQueue::default() }
    }

    #[tokio::test]
    async fn tenant_runs_two_changes_at_once() {
        let (queue, tenant) = (queue(Duration::from_secs(60)), TenantId::new());
        let first = queue.wait(tenant).await.unwrap();
        let _second = queue.wait(tenant).await.unwrap();
        // Another tenant doesn't wait.
        let _other = queue.wait(TenantId::new()).await.unwrap();
        let third = tokio::spawn({
            let queue = queue.clone();
            async move { queue.wait(tenant).await }
        });
        tokio::task::yield_now().await;
        assert!(!third.is_finished());
        drop(first);
        assert!(third.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn waiting_change_times_out() {
        let (queue, tenant) = (queue(Duration::from_millis(20)), TenantId::new());
        let slots = [queue.wait(tenant).await.unwrap(), queue.wait(tenant).await.unwrap()];
        assert!(queue.wait(tenant).await.is_err());
        drop(slots);
        assert!(queue.wait(tenant).await.is_ok());
    }

    #[tokio::test]
    async fn full_queue_rejects_changes_at_once() {
        let (queue, tenant) = (queue(Duration::from_secs(3_600)), TenantId::new());
        let places: Vec<_> = repeat_with(|| queue.enter(tenant)).take(MAX_CHANGES).map(Option::unwrap).collect();
        assert!(queue.wait(tenant).await.is_err());
        assert!(queue.wait(TenantId::new()).await.is_ok());
        drop(places);
        assert!(queue.wait(tenant).await.is_ok());
    }

    #[tokio::test]
    async fn idle_tenant_takes_no_memory() {
        let (queue, tenant) = (queue(Duration::from_secs(60)), TenantId::new());
        let slots = [queue.wait(tenant).await.unwrap(), queue.wait(tenant).await.unwrap()];
        // A change that is cancelled while it waits.
        assert!(timeout(Duration::from_millis(20), queue.wait(tenant)).await.is_err());
        assert_eq!(queue.lock().len(), 1);
        drop(slots);
        assert_eq!(queue.lock().len(), 0);
    }
}
