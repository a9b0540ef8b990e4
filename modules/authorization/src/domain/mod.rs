//! Policies and how they decide. Pure: no I/O, no clock.
//!
//! - `policy.rs`, `condition.rs`, `attribute.rs`, `time_window.rs`: what is stored
//! - `parse.rs`: JSON into a condition, or what is wrong with it and where
//! - `compiled_condition.rs`, `policy_index.rs`: what decides: conditions ready to be evaluated, policies by what a request asks
//! - `engine.rs`: the decision and its explanation
//! - `escalation.rs`: who may grant what
//! - `templates.rs`: what the system roles may do from the start
//! - `invitation_token.rs`: what is kept of an invitation's token

mod attribute;
mod compiled_condition;
mod condition;
mod engine;
mod escalation;
mod policy_index;
mod policy;
mod parse;
mod slug;
mod templates;
mod time_window;
mod invitation_token;

pub(crate) use kernel::contracts::Effect;
use kernel::contracts::{ConditionError, TenantId};

use attribute::{Attribute, Comparison, Literal, Predicate, AttributeType};
use compiled_condition::{CompiledCondition, EvalContext};
pub(crate) use condition::Condition;
pub(crate) use engine::CompiledPolicies;
pub(crate) use escalation::{EffectivePermissions, may_invite_into};
use policy_index::{Bucket, ConditionalPolicy, PolicyIndex};
pub(crate) use policy::{NewPolicy, Policy, StoredCondition};
pub(crate) use slug::slug_candidates;
pub(crate) use templates::{ADMIN, TemplateAdditions, RandomIds, MEMBER, RoleNameConflict, ExistingRole, IdGenerator, TEMPLATES};
use time_window::{Days, TimeOfDay, TimeWindow};
pub(crate) use invitation_token::{TokenHash, hash_token, random_token};

/// What a condition may look at in the tenant. It stays as it is under one `policy_version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TenantAttributes {
    /// Which tenant.
    pub(crate) id: TenantId,
    /// What the tenant pays for.
    pub(crate) plan: String,
    /// On which terms.
    pub(crate) contract_type: String,
    /// What is switched on for it.
    pub(crate) features: Vec<String>,
    /// Seats.
    pub(crate) seat_limit: i32,
}

#[cfg(test)]
impl TenantAttributes {
    /// Of some tenant in a test.
    pub(crate) fn for_test() -> Self {
        Self {
            id: TenantId::new(),
            plan: "pro".into(),
            contract_type: "standard".into(),
            features: vec![],
            seat_limit: 10,
        }
    }
}
