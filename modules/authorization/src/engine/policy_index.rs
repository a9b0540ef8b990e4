//! Index of policies by role, resource and verb. A decision looks up at most eight buckets, regardless of the number of
//! policies.

use std::sync::Arc;

use authorization_api::Effect;
// Its default hasher is faster than that of the standard library.
use hashbrown::HashMap;
use kernel::{PermissionInfo, PolicyId, RoleId};

use super::{CompiledCondition, EvalContext, Policy, TenantAttributes};

/// A tenant's policies, indexed.
#[derive(Debug, Default)]
pub(crate) struct PolicyIndex {
    by_role: HashMap<RoleId, Buckets>,
    every_member: Buckets,
    memory_bytes: usize,
}

/// Buckets by resource and then by verb. Either may be `*`.
type Buckets = HashMap<String, HashMap<String, Bucket>>;

/// The policies with one resource and verb, for one role or tenant-wide.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    pub(crate) denies: EffectPolicies,
    pub(crate) allows: EffectPolicies,
}

/// The policies of a bucket with the same effect.
#[derive(Debug, Default)]
pub(crate) struct EffectPolicies {
    /// The lowest id of the unconditional policies. The others can't change the decision.
    pub(crate) unconditional: Option<PolicyId>,
    /// The conditional policies, sorted by id.
    pub(crate) conditional: Vec<Arc<ConditionalPolicy>>,
}

/// A policy with a condition. A policy with several verbs is in several buckets.
#[derive(Debug)]
pub(crate) struct ConditionalPolicy {
    pub(crate) id: PolicyId,
    pub(crate) condition: CompiledCondition,
    effect: Effect,
}

impl ConditionalPolicy {
    /// Returns true if the policy applies. An indeterminate condition never satisfies an allow and always satisfies a
    /// deny.
    pub(crate) fn applies(&self, context: &EvalContext<'_>) -> bool {
        self.condition.evaluate(context).unwrap_or(self.effect == Effect::Deny)
    }
}

impl PolicyIndex {
    pub(crate) fn new(policies: &[Policy], tenant: &TenantAttributes) -> Self {
        // Sorted by id, so that the reported reason doesn't depend on the input order.
        let mut by_id: Vec<&Policy> = policies.iter().collect();
        by_id.sort_by_key(|policy| policy.id);
        let mut index = Self::default();
        for policy in by_id {
            index.add(policy, tenant);
        }
        index
    }

    fn add(&mut self, policy: &Policy, tenant: &TenantAttributes) {
        let condition = CompiledCondition::from_stored(&policy.condition, tenant);
        self.memory_bytes += size_of::<ConditionalPolicy>();
        self.memory_bytes += condition.as_ref().map_or(0, CompiledCondition::memory_bytes);
        let conditional =
            condition.map(|condition| Arc::new(ConditionalPolicy { id: policy.id, effect: policy.effect, condition }));
        let buckets = match policy.role_id {
            Some(role) => self.by_role.entry(role).or_default(),
            None => &mut self.every_member,
        };
        for verb in &policy.verbs {
            // As if no two policies shared a bucket.
            self.memory_bytes += size_of::<(String, String, Bucket, Arc<ConditionalPolicy>)>();
            self.memory_bytes += policy.resource.len() + verb.len();
            let bucket = buckets.entry(policy.resource.clone()).or_default().entry(verb.clone()).or_default();
            let policies = match policy.effect {
                Effect::Deny => &mut bucket.denies,
                Effect::Allow => &mut bucket.allows,
            };
            match &conditional {
                Some(conditional) => policies.conditional.push(Arc::clone(conditional)),
                None => policies.unconditional = policies.unconditional.or(Some(policy.id)),
            }
        }
    }

    /// Returns the estimated size of everything in the index, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Returns the buckets that cover the permission, for the role and tenant-wide.
    pub(crate) fn buckets(&self, role: RoleId, permission: &PermissionInfo) -> [Option<&Bucket>; 8] {
        let [a, b, c, d] = self.by_role.get(&role).map_or([None; 4], |buckets| matching_buckets(buckets, permission));
        let [e, f, g, h] = matching_buckets(&self.every_member, permission);
        [a, b, c, d, e, f, g, h]
    }
}

fn matching_buckets<'a>(buckets: &'a Buckets, permission: &PermissionInfo) -> [Option<&'a Bucket>; 4] {
    let by_resource = [permission.resource, "*"].map(|resource| buckets.get(resource));
    let [[a, b], [c, d]] = by_resource.map(|by_verb| [permission.verb, "*"].map(|verb| by_verb?.get(verb)));
    [a, b, c, d]
}
