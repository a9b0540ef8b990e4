//! Helpers shared by the tests of this crate.

use std::{collections::BTreeMap, fmt::Debug, sync::Arc};

use authorization::AuthorizationModule;
use kernel::{TenancyMode, ValueModule};
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
