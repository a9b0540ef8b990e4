//! The input: what is stored.

use std::error::Error;

use kernel::{PolicyId, RoleId, TenantId};
use serde_json::Value;

/// The result of a translation or an evaluation. An error is a bug in this crate.
pub type BoxResult<T> = Result<T, Box<dyn Error>>;

/// A stored policy.
#[derive(Debug)]
pub struct PolicyInput<'a> {
    /// The policy's id.
    pub id: PolicyId,
    /// The role, or `None` if the policy applies to every member.
    pub role: Option<RoleId>,
    /// Whether the effect is deny rather than allow.
    pub denies: bool,
    /// A resource, or `*`.
    pub resource: &'a str,
    /// Verbs, or `*`.
    pub verbs: &'a [String],
    /// When the policy applies.
    pub condition: PolicyCondition<'a>,
}

/// When a policy applies.
#[derive(Debug)]
pub enum PolicyCondition<'a> {
    /// Unconditionally.
    Always,
    /// If this condition is true.
    If(&'a Value),
    /// The condition can't be parsed.
    Invalid,
}

/// The tenant attributes that conditions can read.
#[derive(Debug)]
pub struct Tenant<'a> {
    /// The tenant's id.
    pub id: TenantId,
    /// The billing plan.
    pub plan: &'a str,
    /// The contract type.
    pub contract_type: &'a str,
    /// Features that the tenant may use.
    pub features: &'a [String],
    /// Maximum number of members.
    pub seat_limit: i64,
}
