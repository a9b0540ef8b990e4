//! Logic without I/O: policies and their evaluation, slugs, invitation tokens.
//!
//! - `policy.rs`, `condition.rs`, `attribute.rs`, `time_window.rs`: stored policies and conditions
//! - `parse.rs`: parser for conditions in JSON; errors carry JSON pointers
//! - `compiled_condition.rs`, `policy_index.rs`: compiled conditions; index by role, resource and verb
//! - `engine.rs`: decisions and explanations
//! - `escalation.rs`: the escalation check
//! - `templates.rs`: policy templates of the system roles
//! - `slug.rs`: slug candidates for new tenants
//! - `invitation_token.rs`: generation and hashing of invitation tokens

mod attribute;
mod compiled_condition;
mod condition;
mod engine;
mod escalation;
mod invitation_token;
mod parse;
mod policy;
mod policy_index;
mod slug;
mod templates;
mod time_window;

pub(crate) use kernel::contracts::Effect;
use kernel::contracts::{ConditionError, TenantId};

use attribute::{Attribute, AttributeType, Comparison, Literal, Predicate};
use compiled_condition::{CompiledCondition, EvalContext};
pub(crate) use condition::Condition;
pub(crate) use engine::CompiledPolicies;
pub(crate) use escalation::{EffectivePermissions, may_invite_to_role};
pub(crate) use invitation_token::{TokenHash, hash_token, random_token};
pub(crate) use policy::{NewPolicy, Policy, StoredCondition};
use policy_index::{Bucket, ConditionalPolicy, PolicyIndex};
pub(crate) use slug::slug_candidates;
pub(crate) use templates::{
    ADMIN, ExistingRole, IdGenerator, MEMBER, RandomIds, RoleNameConflict, TEMPLATES, TemplateAdditions,
};
use time_window::{Days, TimeOfDay, TimeWindow};

/// The tenant attributes that conditions can read. Every change of them increments the tenant's `policy_version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TenantAttributes {
    pub(crate) id: TenantId,
    pub(crate) plan: String,
    pub(crate) contract_type: String,
    /// Enabled features.
    pub(crate) features: Vec<String>,
    /// Maximum number of members.
    pub(crate) seat_limit: i32,
}

#[cfg(test)]
impl TenantAttributes {
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
