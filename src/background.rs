//! The background work of an instance.

use std::{convert::Infallible, sync::Arc, time::Duration};

use audit_api::AuditRecorder;
use shaku::HasComponent;
use tokio::time::{MissedTickBehavior, interval};

use crate::services::AppModule;

/// How often denials and failed sign-ins are written to the audit log. A crash loses those of the last interval.
pub const FLUSH_INTERVAL: Duration = Duration::from_secs(10);

/// Does the background work until the future is dropped.
pub async fn run(app: Arc<AppModule>, flush_interval: Duration) -> Infallible {
    let mut ticks = interval(flush_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        flush(&app).await;
    }
}

/// Writes recorded denials and failed sign-ins. Called after the last request, too.
pub async fn flush(app: &AppModule) {
    let recorder: &dyn AuditRecorder = app.resolve_ref();
    if let Err(error) = recorder.flush().await {
        tracing::warn!(%error, "audit events couldn't be written; they are kept for the next attempt");
    }
}
