//! The policy engine. It does no I/O.
//!
//! - `policy.rs`, `condition.rs`, `attribute.rs`, `time_window.rs`: stored policies and conditions
//! - `ip_range.rs`: parser for IP ranges
//! - `parse.rs`: parser for conditions in JSON; errors carry JSON pointers
//! - `compiled_condition.rs`, `policy_index.rs`: compiled conditions; index by role, resource and verb
//! - `compiled_policies.rs`: decisions and explanations
//! - `escalation.rs`: the escalation check

mod attribute;
mod compiled_condition;
mod compiled_policies;
mod condition;
mod escalation;
mod ip_range;
mod parse;
mod policy;
mod policy_index;
mod time_window;

pub(crate) use attribute::TenantAttributes;
use attribute::{Attribute, AttributeType, Comparison, Literal, Predicate};
use compiled_condition::{CompiledCondition, EvalContext, kleene_and, kleene_or};
pub(crate) use compiled_policies::CompiledPolicies;
pub(crate) use condition::Condition;
pub(crate) use escalation::{EffectivePermissions, PreparedPolicies, Subject, may_invite_into_role};
pub use ip_range::{IpRangeError, parse_ip_range};
pub(crate) use policy::{NewPolicy, Policy, PolicyVersion, StoredCondition};
use policy_index::{Bucket, ConditionalPolicy, PolicyIndex};
use time_window::{Days, TimeOfDay, TimeWindow};
