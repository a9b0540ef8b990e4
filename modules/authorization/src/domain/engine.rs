//! How policies decide: default deny, one matching deny wins, order never matters.

use kernel::contracts::{
    AccessRequest, Allowed, Decision, Denied, Explanation, PolicyId, PolicySet, PolicyTrace, Principal, RoleId,
};

use super::{Bucket, Conditional, Effect, Facts, Index, Policy, TenantFacts};

#[cfg(test)]
mod cedar;
#[cfg(test)]
pub(super) mod generators;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

/// How many policies an explanation names that would have allowed under other circumstances.
const MOST_UNMET: usize = 5;

/// A tenant's policies, ready to decide.
#[derive(Debug)]
pub(crate) struct CompiledPolicies {
    version: i64,
    len: usize,
    index: Index,
}

impl CompiledPolicies {
    /// Of the tenant's `policy_version`.
    pub(crate) fn new(version: i64, policies: &[Policy], tenant: &TenantFacts) -> Self {
        Self { version, len: policies.len(), index: Index::new(policies, tenant) }
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
struct Decisive<'a> {
    id: PolicyId,
    effect: Effect,
    /// `None`: it has no condition.
    conditional: Option<&'a Conditional>,
}

impl PolicySet for CompiledPolicies {
    fn decide(&self, principal: Principal, role: RoleId, request: &AccessRequest<'_>) -> Decision {
        let facts = facts(principal, role, request);
        decision(decisive(&self.index.buckets(role, request.permission), &facts).as_ref())
    }

    fn explain(&self, principal: Principal, role: RoleId, request: &AccessRequest<'_>) -> Explanation {
        let (facts, buckets) = (facts(principal, role, request), self.index.buckets(role, request.permission));
        let trace = |policy: &Conditional| PolicyTrace { id: policy.id, conditions: policy.condition().trace(&facts) };
        let found = decisive(&buckets, &facts);
        let mut unmet = Vec::new();
        if found.is_none() {
            // None of them applied, or it would have been found.
            let mut allows: Vec<_> = buckets.iter().flatten().flat_map(|bucket| &bucket.allows.when).collect();
            allows.sort_by_key(|policy| policy.id);
            allows.dedup_by_key(|policy| policy.id);
            unmet.extend(allows.into_iter().take(MOST_UNMET).map(|policy| trace(policy)));
        }
        let policy = found.as_ref().map(|Decisive { id, conditional, .. }| {
            conditional.map_or_else(|| PolicyTrace { id: *id, conditions: Vec::new() }, trace)
        });
        Explanation { decision: decision(found.as_ref()), policy, unmet }
    }
}

fn facts<'a>(principal: Principal, role: RoleId, request: &AccessRequest<'a>) -> Facts<'a> {
    Facts { principal, role, resource: request.resource, environment: request.environment }
}

fn decision(decisive: Option<&Decisive<'_>>) -> Decision {
    match decisive {
        Some(Decisive { id, effect: Effect::Allow, .. }) => Decision::Allow(Allowed::ByPolicy(*id)),
        Some(Decisive { id, effect: Effect::Deny, .. }) => Decision::Deny(Denied::ByPolicy(*id)),
        None => Decision::Deny(Denied::NoPolicyAllows),
    }
}

/// A deny before any allow. Of several with the same effect, one without a condition before those with one, so that
/// conditions are looked at only where they matter; then the lowest id.
fn decisive<'a>(buckets: &[Option<&'a Bucket>; 8], facts: &Facts<'_>) -> Option<Decisive<'a>> {
    [Effect::Deny, Effect::Allow].into_iter().find_map(|effect| {
        let sides = || {
            buckets.iter().flatten().map(|bucket| match effect {
                Effect::Deny => &bucket.denies,
                Effect::Allow => &bucket.allows,
            })
        };
        if let Some(id) = sides().filter_map(|side| side.always).min() {
            return Some(Decisive { id, effect, conditional: None });
        }
        // Within a side they are sorted: the first one that applies is its lowest.
        let applying = sides().filter_map(|side| side.when.iter().find(|policy| policy.applies(facts)));
        let policy = applying.min_by_key(|policy| policy.id)?;
        Some(Decisive { id: policy.id, effect, conditional: Some(policy) })
    })
}
