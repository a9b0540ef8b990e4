//! Policies and how they decide. Pure: no I/O, no clock.
//!
//! - `policy.rs`, `condition.rs`, `attribute.rs`, `time_window.rs`: what is stored
//! - `reading.rs`: JSON into a condition, or what is wrong with it and where
//! - `compiled.rs`, `index.rs`: what decides: conditions ready to be evaluated, policies by what a request asks
//! - `engine.rs`: the decision and its explanation
//! - `grants.rs`: who may grant what
//! - `templates.rs`: what the system roles may do from the start
//! - `token.rs`: what is kept of an invitation's token

mod attribute;
mod compiled;
mod condition;
mod engine;
mod grants;
mod index;
mod policy;
mod reading;
mod slug;
mod templates;
mod time_window;
mod token;

pub(crate) use kernel::contracts::Effect;
use kernel::contracts::{ConditionError, TenantId};

use attribute::{Attribute, Comparison, Literal, Test, Type};
use compiled::{Compiled, Facts};
pub(crate) use condition::Condition;
pub(crate) use engine::CompiledPolicies;
pub(crate) use grants::{Holdings, may_still_grant};
use index::{Bucket, Conditional, Index};
pub(crate) use policy::{NewPolicy, Policy, StoredCondition};
pub(crate) use slug::slugs_for;
pub(crate) use templates::{ADMIN, Additions, FreshIds, MEMBER, NameTaken, NamedRole, NewIds, TEMPLATES};
use time_window::{Days, TimeOfDay, TimeWindow};
pub(crate) use token::{TokenHash, hash, new_token};

/// What a condition may look at in the tenant. It stays as it is under one `policy_version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TenantFacts {
    /// Which tenant.
    pub(crate) id: TenantId,
    /// What the tenant pays for.
    pub(crate) plan: String,
    /// On which terms.
    pub(crate) contract_type: String,
    /// What is switched on for it.
    pub(crate) features: Vec<String>,
    /// Seats.
    pub(crate) max_users: i32,
}

#[cfg(test)]
impl TenantFacts {
    /// Of some tenant in a test.
    pub(crate) fn of_a_test() -> Self {
        Self {
            id: TenantId::new(),
            plan: "pro".into(),
            contract_type: "standard".into(),
            features: vec![],
            max_users: 10,
        }
    }
}
