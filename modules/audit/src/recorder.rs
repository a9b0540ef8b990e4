//! Records events without a transaction.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use audit_api::AuditRecorder;
use db::{DbError, SystemDatabase, SystemReason, UnauditedReason};
use hashbrown::{HashMap, hash_map::Entry};
use kernel::{AuditEvents, Caller, TenantId};
use shaku::Component;

/// Maximum number of different events between two flushes. Further ones are dropped, and an error is logged.
const MAX_PENDING: usize = 10_000;

/// Counts equal events of a caller until the next flush.
#[derive(Component)]
#[shaku(interface = AuditRecorder)]
pub(crate) struct BatchRecorder {
    #[shaku(inject)]
    system: Arc<dyn SystemDatabase>,
    #[shaku(default)]
    pending: Mutex<Pending>,
}

/// Events that haven't been written.
#[derive(Default)]
pub(crate) struct Pending {
    counted: HashMap<Key, Counted>,
    dropped: u64,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    tenant: Option<TenantId>,
    caller: String,
    events: String,
}

/// An event with the caller of its first occurrence.
struct Counted {
    caller: Caller,
    events: AuditEvents,
    count: u32,
}

impl Pending {
    fn add(&mut self, key: Key, counted: Counted) {
        let is_full = self.counted.len() >= MAX_PENDING;
        match self.counted.entry(key) {
            Entry::Occupied(entry) => {
                let count = &mut entry.into_mut().count;
                *count = count.saturating_add(counted.count);
            }
            Entry::Vacant(_) if is_full => self.dropped += 1,
            Entry::Vacant(entry) => {
                entry.insert(counted);
            }
        }
    }
}

#[async_trait]
impl AuditRecorder for BatchRecorder {
    fn record(&self, tenant: Option<TenantId>, caller: &Caller, events: AuditEvents) {
        let key = Key { tenant, caller: caller.key(), events: events.key() };
        self.pending().add(key, Counted { caller: caller.clone(), events, count: 1 });
    }

    async fn flush(&self) -> Result<(), DbError> {
        let Pending { counted, dropped } = mem::take(&mut *self.pending());
        if dropped > 0 {
            tracing::error!(dropped, "audit events were dropped: more than {MAX_PENDING} different ones at once");
        }
        if counted.is_empty() {
            return Ok(());
        }
        let mut unwritten = Unwritten { recorder: self, counted };
        self.write(&unwritten.counted).await?;
        unwritten.counted.clear();
        Ok(())
    }
}

/// Events that are being written. If that fails or is cancelled, they are added to the pending ones again.
struct Unwritten<'a> {
    recorder: &'a BatchRecorder,
    counted: HashMap<Key, Counted>,
}

impl Drop for Unwritten<'_> {
    fn drop(&mut self) {
        let mut pending = self.recorder.pending();
        for (key, counted) in self.counted.drain() {
            pending.add(key, counted);
        }
    }
}

impl BatchRecorder {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write(&self, counted: &HashMap<Key, Counted>) -> Result<(), DbError> {
        let (mut of_tenants, mut of_deployment) = (Vec::new(), Vec::new());
        for (Key { tenant, .. }, Counted { caller, events, count }) in counted {
            let log = if tenant.is_some() { &mut of_tenants } else { &mut of_deployment };
            log.extend(events.clone().with_count(*count).to_records(*tenant, caller));
        }
        let mut tx = self.system.begin(SystemReason::RecordAuditEvents).await?;
        sqlx::query!("SELECT record_audit_events($1)", &of_tenants).execute(tx.conn()).await?;
        sqlx::query!("SELECT record_deployment_audit_events($1)", &of_deployment).execute(tx.conn()).await?;
        tx.commit_unaudited(UnauditedReason::AuditRecords).await
    }
}
