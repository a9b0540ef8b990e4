//! Index of policies by role, resource and verb. A decision looks up at most eight buckets, regardless of the number of
//! policies.

use std::sync::Arc;

use authorization_api::Effect;
// Its default hasher is faster than that of the standard library.
use hashbrown::{Equivalent, HashMap};
use kernel::{PermissionInfo, PolicyId, RoleId};

use super::{CompiledCondition, EvalContext, Policy, TenantAttributes};

/// A tenant's policies, indexed.
#[derive(Debug)]
pub(crate) struct PolicyIndex {
    /// One map rather than nested ones: most tenants have few policies, and each map allocates room for several entries.
    buckets: HashMap<BucketKey, Bucket>,
    memory_bytes: usize,
}

/// Resource and verb may be `*`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct BucketKey {
    /// `None`: every member.
    role: Option<RoleId>,
    resource: Box<str>,
    verb: Box<str>,
}

/// A borrowed [`BucketKey`], with the same hash.
#[derive(Hash)]
struct BucketKeyRef<'a> {
    role: Option<RoleId>,
    resource: &'a str,
    verb: &'a str,
}

impl Equivalent<BucketKey> for BucketKeyRef<'_> {
    fn equivalent(&self, key: &BucketKey) -> bool {
        (self.role, self.resource, self.verb) == (key.role, &*key.resource, &*key.verb)
    }
}

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
        let mut index = Self { buckets: HashMap::new(), memory_bytes: 0 };
        for policy in by_id {
            index.add(policy, tenant);
        }
        index.shrink_to_fit();
        index
    }

    fn add(&mut self, policy: &Policy, tenant: &TenantAttributes) {
        let condition = CompiledCondition::from_stored(&policy.condition, tenant);
        let conditional = condition.map(|condition| {
            self.memory_bytes += size_of::<ConditionalPolicy>() + condition.memory_bytes();
            Arc::new(ConditionalPolicy { id: policy.id, effect: policy.effect, condition })
        });
        for verb in &policy.verbs {
            let (resource, verb) = (policy.resource.as_str().into(), verb.as_str().into());
            let bucket = self.buckets.entry(BucketKey { role: policy.role_id, resource, verb }).or_default();
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

    fn shrink_to_fit(&mut self) {
        self.buckets.shrink_to_fit();
        self.memory_bytes += self.buckets.allocation_size();
        for (key, bucket) in &mut self.buckets {
            self.memory_bytes += key.resource.len() + key.verb.len();
            for policies in [&mut bucket.denies, &mut bucket.allows] {
                policies.conditional.shrink_to_fit();
                self.memory_bytes += size_of_val(policies.conditional.as_slice());
            }
        }
    }

    /// Returns the size of everything in the index, in bytes, without what the allocator adds.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Returns the buckets that cover the permission, for the role and tenant-wide.
    pub(crate) fn buckets(&self, role: RoleId, permission: &PermissionInfo) -> [Option<&Bucket>; 8] {
        let get = |role, resource, verb| self.buckets.get(&BucketKeyRef { role, resource, verb });
        let matching = |role| {
            let &PermissionInfo { resource, verb, .. } = permission;
            [get(role, resource, verb), get(role, resource, "*"), get(role, "*", verb), get(role, "*", "*")]
        };
        let ([a, b, c, d], [e, f, g, h]) = (matching(Some(role)), matching(None));
        [a, b, c, d, e, f, g, h]
    }
}
