//! Policies and how they decide. Pure: no I/O, no clock.

mod condition;
mod engine;
mod policy;
mod slug;

pub(crate) use condition::{Condition, Facts};
pub(crate) use engine::CompiledPolicies;
pub(crate) use policy::{Effect, NewPolicy, Policy, StoredCondition};
pub(crate) use slug::slugs_for;

/// What a condition may look at in the tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TenantFacts {
    /// What the tenant pays for.
    pub(crate) plan: String,
    /// What is switched on for it.
    pub(crate) features: Vec<String>,
}
