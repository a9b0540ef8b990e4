//! Access requests and decisions. The policies that decide are implemented by the module `authorization`.

use std::{fmt, net::IpAddr};

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{PermissionInfo, PolicyId, RoleId, UserId};

/// Who acts. Service accounts and API keys will become further variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Principal {
    /// A user.
    User(UserId),
}

/// Attributes of a resource that conditions can refer to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResourceAttributes {
    /// The user who owns the resource.
    pub owner: Option<UserId>,
}

/// Attributes of the request that conditions can refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Environment {
    /// Time of the request.
    pub now: OffsetDateTime,
    /// Client address; `None` if unknown.
    pub client_addr: Option<IpAddr>,
}

/// An access request: may the principal do this?
#[derive(Debug, Clone, Copy)]
pub struct AccessRequest<'a> {
    /// The requested permission.
    pub permission: &'a PermissionInfo,
    /// The resource; `None` if the request isn't about a particular one. Conditions on the resource are then
    /// indeterminate and never satisfy an allow.
    pub resource: Option<&'a ResourceAttributes>,
    /// Attributes of the request.
    pub environment: &'a Environment,
}

/// The outcome of an access request, with its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The request is allowed.
    Allow(AllowReason),
    /// The request is denied.
    Deny(DenyReason),
}

/// Why a request is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowReason {
    /// This policy allows it and no policy denies it.
    ByPolicy(PolicyId),
}

/// Why a request is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenyReason {
    /// This policy denies it. A deny overrides every allow.
    ByPolicy(PolicyId),
    /// No policy allows it (default deny).
    NoPolicyAllows,
}

/// A decision with a trace, for callers who may read the tenant's policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The decision; always equal to that of [`PolicySet::decide`].
    pub decision: Decision,
    /// The deciding policy; `None` if no policy applied.
    pub policy: Option<PolicyTrace>,
    /// If no policy applied: the first few policies, by id, that would allow the request if their condition were true.
    pub unmet: Vec<PolicyTrace>,
}

/// A policy for the permission, with the results of its condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PolicyEvaluation)]
pub struct PolicyTrace {
    /// The policy.
    #[schema(value_type = Uuid)]
    pub id: PolicyId,
    /// Results of the condition and then of each of its parts; empty for an unconditional policy.
    pub conditions: Vec<ConditionTrace>,
}

/// The result of a condition or of one of its parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ConditionEvaluation)]
pub struct ConditionTrace {
    /// JSON pointer (RFC 6901) to the part, from the root of the condition.
    #[schema(example = "/all/0")]
    pub pointer: String,
    /// Kind of the part as written in policies, or `invalid` if the stored condition can't be parsed.
    #[schema(example = "client_addr")]
    pub kind: &'static str,
    /// The result.
    pub outcome: Truth,
    /// What is wrong with this part, if it can't be parsed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'static str>,
}

/// The result of a condition, in Kleene's three-valued logic. An indeterminate condition satisfies a deny but no allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// The condition is met.
    True,
    /// The condition isn't met.
    False,
    /// The condition refers to a missing value.
    Indeterminate,
}

/// A tenant's compiled policies. Implemented by the module `authorization`.
pub trait PolicySet: fmt::Debug + Send + Sync {
    /// Decides a request. The order of the policies doesn't matter.
    fn decide(&self, principal: Principal, role: RoleId, request: &AccessRequest<'_>) -> Decision;

    /// Decides a request and explains the decision. Slower than [`Self::decide`], and only for callers who may read
    /// policies.
    fn explain(&self, principal: Principal, role: RoleId, request: &AccessRequest<'_>) -> Explanation;
}

/// The policies deny the request.
#[derive(Debug, thiserror::Error)]
#[error("permission denied: {} is required", permission.name)]
pub struct PermissionDenied {
    /// The missing permission.
    pub permission: &'static PermissionInfo,
    /// Why it was denied.
    pub reason: DenyReason,
}
