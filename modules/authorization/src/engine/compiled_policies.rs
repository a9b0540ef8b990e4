//! Policy evaluation: default deny, deny overrides allow, independent of the order of policies.

use authorization_api::Effect;
use kernel::{
    AccessRequest, AllowReason, Decision, DenyReason, Explanation, PolicyId, PolicySet, PolicyTrace, Principal, RoleId,
};

use super::{Bucket, ConditionalPolicy, EvalContext, Policy, PolicyIndex, PolicyVersion, TenantAttributes};

#[cfg(test)]
mod cedar;
#[cfg(test)]
pub(super) mod generators;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;

/// Maximum number of policies in an explanation that would allow the request if their condition were true.
const MAX_UNMET: usize = 5;

/// A tenant's policies, compiled for evaluation.
#[derive(Debug)]
pub(crate) struct CompiledPolicies {
    version: PolicyVersion,
    index: PolicyIndex,
}

impl CompiledPolicies {
    /// Compiles the policies that were read at this `policy_version` of the tenant.
    pub(crate) fn new(version: PolicyVersion, policies: &[Policy], tenant: &TenantAttributes) -> Self {
        Self { version, index: PolicyIndex::new(policies, tenant) }
    }

    /// Returns the tenant's `policy_version` at the time the policies were read.
    pub(crate) fn version(&self) -> PolicyVersion {
        self.version
    }

    /// Returns the size in memory, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.index.memory_bytes()
    }
}

/// The policy that decides.
struct DecidingPolicy<'a> {
    id: PolicyId,
    effect: Effect,
    /// `None` if the policy is unconditional.
    conditional: Option<&'a ConditionalPolicy>,
}

impl PolicySet for CompiledPolicies {
    fn decide(&self, principal: Principal, role: RoleId, request: &AccessRequest<'_>) -> Decision {
        let context = eval_context(principal, role, request);
        to_decision(deciding_policy(&self.index.buckets(role, request.permission), &context).as_ref())
    }

    fn explain(&self, principal: Principal, role: RoleId, request: &AccessRequest<'_>) -> Explanation {
        let (context, buckets) = (eval_context(principal, role, request), self.index.buckets(role, request.permission));
        let trace =
            |policy: &ConditionalPolicy| PolicyTrace { id: policy.id, conditions: policy.condition.trace(&context) };
        let deciding = deciding_policy(&buckets, &context);
        let mut unmet = Vec::new();
        if deciding.is_none() {
            // Without a deciding policy, none of these conditions was true.
            let mut allows: Vec<_> = buckets.iter().flatten().flat_map(|bucket| &bucket.allows.conditional).collect();
            allows.sort_by_key(|policy| policy.id);
            allows.dedup_by_key(|policy| policy.id);
            unmet.extend(allows.into_iter().take(MAX_UNMET).map(|policy| trace(policy)));
        }
        let policy = deciding.as_ref().map(|DecidingPolicy { id, conditional, .. }| {
            conditional.map_or_else(|| PolicyTrace { id: *id, conditions: Vec::new() }, trace)
        });
        Explanation { decision: to_decision(deciding.as_ref()), policy, unmet }
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

/// Returns the policy that decides: deny before allow, then unconditional before conditional, then the lowest id.
///
/// Unconditional policies come first so that conditions are evaluated only if they can change the decision.
fn deciding_policy<'a>(buckets: &[Option<&'a Bucket>; 8], context: &EvalContext<'_>) -> Option<DecidingPolicy<'a>> {
    [Effect::Deny, Effect::Allow].into_iter().find_map(|effect| {
        let matching = || {
            buckets.iter().flatten().map(|bucket| match effect {
                Effect::Deny => &bucket.denies,
                Effect::Allow => &bucket.allows,
            })
        };
        if let Some(id) = matching().filter_map(|policies| policies.unconditional).min() {
            return Some(DecidingPolicy { id, effect, conditional: None });
        }
        // Each list is sorted by id, so its first applicable policy has its lowest id.
        let applying =
            matching().filter_map(|policies| policies.conditional.iter().find(|policy| policy.applies(context)));
        let policy = applying.min_by_key(|policy| policy.id)?;
        Some(DecidingPolicy { id: policy.id, effect, conditional: Some(policy) })
    })
}
