//! Helpers shared by the tests of this crate.

use std::{collections::BTreeMap, fmt::Debug, sync::Arc, time::Duration};

use authorization::AuthorizationModule;
use kernel::{TenancyMode, ValueModule};
use sqlx::PgConnection;
use test_support::TestDb;
use tokio::task::JoinSet;

/// Returns the module in the default tenancy mode.
pub(crate) fn module(db: &TestDb) -> AuthorizationModule {
    module_in_mode(db, TenancyMode::default())
}

/// Returns the module in a tenancy mode.
pub(crate) fn module_in_mode(db: &TestDb, mode: TenancyMode) -> AuthorizationModule {
    AuthorizationModule::builder(db.db.module(), ValueModule::new(Arc::new(mode))).build()
}

/// Returns `Ok`, or the name of the error's variant. For `Change(…)` it is that of the inner error.
pub(crate) fn outcome<T>(result: &Result<T, impl Debug>) -> String {
    let Err(error) = result else { return "Ok".into() };
    let error = format!("{error:?}");
    let variant = error.strip_prefix("Change(").unwrap_or(&error);
    variant.chars().take_while(|c| c.is_alphanumeric()).collect()
}

/// Returns the counts as [`outcomes`] does.
pub(crate) fn counted<const N: usize>(counts: [(&str, usize); N]) -> BTreeMap<String, usize> {
    counts.into_iter().map(|(outcome, count)| (outcome.to_owned(), count)).collect()
}

/// Waits for all tasks and counts their outcomes.
pub(crate) async fn outcomes(mut tasks: JoinSet<String>) -> BTreeMap<String, usize> {
    let mut outcomes = BTreeMap::new();
    while let Some(outcome) = tasks.join_next().await {
        *outcomes.entry(outcome.unwrap()).or_default() += 1;
    }
    outcomes
}

/// Returns the number of sessions that wait for a lock.
pub(crate) async fn lock_waiters(connection: &mut PgConnection) -> i64 {
    let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    sqlx::query_scalar(count).fetch_one(connection).await.unwrap()
}

/// Waits until this many connections to the database wait for a lock.
pub(crate) async fn wait_for_lock_waiters(db: &TestDb, count: i64) {
    let mut superuser = db.superuser().await;
    let wait = async {
        while lock_waiters(&mut superuser).await < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap();
}
