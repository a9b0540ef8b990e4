//! How policies decide: default deny, one matching deny wins, order never matters.

use kernel::contracts::{
    AccessRequest, AllowReason, Decision, DenyReason, Explanation, PolicyId, PolicySet, PolicyTrace, Principal, RoleId,
};

use super::{Bucket, ConditionalPolicy, Effect, EvalContext, PolicyIndex, Policy, TenantAttributes};

#[cfg(test)]
mod cedar;
#[cfg(test)]
pub(super) mod generators;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

/// How many policies an explanation names that would have allowed under other circumstances.
const MAX_UNMET: usize = 5;

/// A tenant's policies, ready to decide.
#[derive(Debug)]
pub(crate) struct CompiledPolicies {
    version: i64,
    len: usize,
    index: PolicyIndex,
}

impl CompiledPolicies {
    /// Of the tenant's `policy_version`.
    pub(crate) fn new(version: i64, policies: &[Policy], tenant: &TenantAttributes) -> Self {
        Self { version, len: policies.len(), index: PolicyIndex::new(policies, tenant) }
    }

    /// The tenant's `policy_version` when they were read.
    pub(crate) fn version(&self) -> i64 {
        self.version
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

/// The policy that decides.
struct DecidingPolicy<'a> {
    id: PolicyId,
    effect: Effect,
    /// `None`: it has no condition.
    conditional: Option<&'a ConditionalPolicy>,
}

impl PolicySet for CompiledPolicies {
    fn decide(&self, principal: Principal, role: RoleId, request: &AccessRequest<'_>) -> Decision {
        let context = eval_context(principal, role, request);
        to_decision(deciding_policy(&self.index.buckets(role, request.permission), &context).as_ref())
    }

    fn explain(&self, principal: Principal, role: RoleId, request: &AccessRequest<'_>) -> Explanation {
        let (context, buckets) = (eval_context(principal, role, request), self.index.buckets(role, request.permission));
        let trace = |policy: &ConditionalPolicy| PolicyTrace { id: policy.id, conditions: policy.condition().trace(&context) };
        let found = deciding_policy(&buckets, &context);
        let mut unmet = Vec::new();
        if found.is_none() {
            // None of them applied, or it would have been found.
            let mut allows: Vec<_> = buckets.iter().flatten().flat_map(|bucket| &bucket.allows.conditional).collect();
            allows.sort_by_key(|policy| policy.id);
            allows.dedup_by_key(|policy| policy.id);
            unmet.extend(allows.into_iter().take(MAX_UNMET).map(|policy| trace(policy)));
        }
        let policy = found.as_ref().map(|DecidingPolicy { id, conditional, .. }| {
            conditional.map_or_else(|| PolicyTrace { id: *id, conditions: Vec::new() }, trace)
        });
        Explanation { decision: to_decision(found.as_ref()), policy, unmet }
    }
}

fn eval_context<'a>(principal: Principal, role: RoleId, request: &AccessRequest<'a>) -> EvalContext<'a> {
    EvalContext { principal, role, resource: request.resource, environment: request.environment }
}

fn to_decision(deciding: Option<&DecidingPolicy<'_>>) -> Decision {
    match deciding {
        Some(DecidingPolicy { id, effect: Effect::Allow, .. }) => Decision::Allow(AllowReason::ByPolicy(*id)),
        Some(DecidingPolicy { id, effect: Effect::Deny, .. }) => Decision::Deny(DenyReason::ByPolicy(*id)),
        None => Decision::Deny(DenyReason::NoPolicyAllows),
    }
}

/// A deny before any allow. Of several with the same effect, one without a condition before those with one, so that
/// conditions are looked at only where they matter; then the lowest id.
fn deciding_policy<'a>(buckets: &[Option<&'a Bucket>; 8], context: &EvalContext<'_>) -> Option<DecidingPolicy<'a>> {
    [Effect::Deny, Effect::Allow].into_iter().find_map(|effect| {
        let sides = || {
            buckets.iter().flatten().map(|bucket| match effect {
                Effect::Deny => &bucket.denies,
                Effect::Allow => &bucket.allows,
            })
        };
        if let Some(id) = sides().filter_map(|side| side.unconditional).min() {
            return Some(DecidingPolicy { id, effect, conditional: None });
        }
        // Within a side they are sorted: the first one that applies is its lowest.
        let applying = sides().filter_map(|side| side.conditional.iter().find(|policy| policy.applies(context)));
        let policy = applying.min_by_key(|policy| policy.id)?;
        Some(DecidingPolicy { id: policy.id, effect, conditional: Some(policy) })
    })
}
