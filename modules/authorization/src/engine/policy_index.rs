//! Index of policies by role, resource and verb. A decision looks up at most eight buckets, regardless of the number of
//! policies.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use authorization_api::Effect;
use hashbrown::{Equivalent, HashMap};
use kernel::{PermissionInfo, PolicyId, RoleId};

use super::{CompiledCondition, EvalContext, Policy, TenantAttributes};

/// A tenant's policies, indexed.
#[derive(Debug, Default)]
pub(crate) struct PolicyIndex {
    roles: HashMap<RoleId, Buckets>,
    every_member: Buckets,
}

type Buckets = HashMap<BucketKey, Bucket>;

/// The resource and verb of a policy; `None` is `*`.
#[derive(Debug, PartialEq, Eq)]
struct BucketKey {
    resource: Option<Box<str>>,
    verb: Option<Box<str>>,
}

/// The borrowed form of [`BucketKey`], so that lookups don't allocate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct BucketKeyRef<'a> {
    resource: Option<&'a str>,
    verb: Option<&'a str>,
}

impl BucketKey {
    fn of(resource: &str, verb: &str) -> Self {
        let non_wildcard = |name: &str| (name != "*").then(|| name.into());
        Self { resource: non_wildcard(resource), verb: non_wildcard(verb) }
    }

    fn borrowed(&self) -> BucketKeyRef<'_> {
        BucketKeyRef { resource: self.resource.as_deref(), verb: self.verb.as_deref() }
    }
}

impl Hash for BucketKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.borrowed().hash(state);
    }
}

impl Equivalent<BucketKey> for BucketKeyRef<'_> {
    fn equivalent(&self, key: &BucketKey) -> bool {
        *self == key.borrowed()
    }
}

/// The policies with one resource and verb, for one role or for every member.
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
    effect: Effect,
    condition: CompiledCondition,
}

impl ConditionalPolicy {
    /// Returns true if the policy applies. An indeterminate condition never satisfies an allow and always satisfies a
    /// deny.
    pub(crate) fn applies(&self, context: &EvalContext<'_>) -> bool {
        self.condition.evaluate(context).unwrap_or(self.effect == Effect::Deny)
    }

    pub(crate) fn condition(&self) -> &CompiledCondition {
        &self.condition
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
        let conditional =
            condition.map(|condition| Arc::new(ConditionalPolicy { id: policy.id, effect: policy.effect, condition }));
        let buckets = match policy.role_id {
            Some(role) => self.roles.entry(role).or_default(),
            None => &mut self.every_member,
        };
        for verb in &policy.verbs {
            let bucket = buckets.entry(BucketKey::of(&policy.resource, verb)).or_default();
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

    /// Returns the buckets that cover the permission, for the role and for every member.
    pub(crate) fn buckets(&self, role: RoleId, permission: &PermissionInfo) -> [Option<&Bucket>; 8] {
        let [a, b, c, d] = self.roles.get(&role).map_or([None; 4], |buckets| matching_buckets(buckets, permission));
        let [e, f, g, h] = matching_buckets(&self.every_member, permission);
        [a, b, c, d, e, f, g, h]
    }
}

fn matching_buckets<'a>(buckets: &'a Buckets, permission: &PermissionInfo) -> [Option<&'a Bucket>; 4] {
    let (resource, verb) = (Some(permission.resource), Some(permission.verb));
    [(resource, verb), (resource, None), (None, verb), (None, None)]
        .map(|(resource, verb)| buckets.get(&BucketKeyRef { resource, verb }))
}
