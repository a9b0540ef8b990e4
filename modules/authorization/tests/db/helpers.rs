//! Helpers shared by the tests of this crate.

use std::{collections::BTreeMap, sync::Arc};

use authorization::AuthorizationModule;
use kernel::{TenancyMode, ValueModule};
use test_support::TestDb;
use tokio::task::JoinSet;

/// The module in the default tenancy mode.
pub(crate) fn module(db: &TestDb) -> AuthorizationModule {
    module_in_mode(db, TenancyMode::default())
}

/// The module in another tenancy mode.
pub(crate) fn module_in_mode(db: &TestDb, mode: TenancyMode) -> AuthorizationModule {
    AuthorizationModule::builder(db.db.module(), ValueModule::new(Arc::new(mode))).build()
}

/// Waits for all tasks and counts their outcomes.
pub(crate) async fn outcomes<T: Ord + 'static>(mut tasks: JoinSet<T>) -> BTreeMap<T, usize> {
    let mut outcomes = BTreeMap::new();
    while let Some(outcome) = tasks.join_next().await {
        *outcomes.entry(outcome.unwrap()).or_default() += 1;
    }
    outcomes
}
