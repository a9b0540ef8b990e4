//! Policies by what a request asks: role, resource and verb. A decision looks into eight places at the most, however many
//! policies there are.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use hashbrown::{Equivalent, HashMap};
use kernel::contracts::{PermissionInfo, PolicyId, RoleId};

use super::{CompiledCondition, Effect, EvalContext, Policy, TenantAttributes};

/// A tenant's policies.
#[derive(Debug, Default)]
pub(crate) struct PolicyIndex {
    roles: HashMap<RoleId, Targets>,
    every_member: Targets,
}

type Targets = HashMap<Target, Bucket>;

/// What a policy speaks of; `None` is `*`.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    resource: Option<Box<str>>,
    verb: Option<Box<str>>,
}

/// The same, borrowed: what is looked up needn't be made first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct TargetRef<'a> {
    resource: Option<&'a str>,
    verb: Option<&'a str>,
}

impl Target {
    fn of(resource: &str, verb: &str) -> Self {
        let unless_star = |name: &str| (name != "*").then(|| name.into());
        Self { resource: unless_star(resource), verb: unless_star(verb) }
    }

    fn borrowed(&self) -> TargetRef<'_> {
        TargetRef { resource: self.resource.as_deref(), verb: self.verb.as_deref() }
    }
}

impl Hash for Target {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.borrowed().hash(state);
    }
}

impl Equivalent<Target> for TargetRef<'_> {
    fn equivalent(&self, key: &Target) -> bool {
        *self == key.borrowed()
    }
}

/// The policies for one target and one role, or every member.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    pub(crate) denies: EffectPolicies,
    pub(crate) allows: EffectPolicies,
}

/// Those of one effect.
#[derive(Debug, Default)]
pub(crate) struct EffectPolicies {
    /// Of those without a condition, the one with the lowest id: the others change nothing.
    pub(crate) unconditional: Option<PolicyId>,
    /// Those with a condition, by id.
    pub(crate) conditional: Vec<Arc<ConditionalPolicy>>,
}

/// A policy with a condition. One with several verbs is in several buckets.
#[derive(Debug)]
pub(crate) struct ConditionalPolicy {
    pub(crate) id: PolicyId,
    effect: Effect,
    condition: CompiledCondition,
}

impl ConditionalPolicy {
    /// A condition that can't be read or evaluated never allows and always denies.
    pub(crate) fn applies(&self, context: &EvalContext<'_>) -> bool {
        self.condition.evaluate(context).unwrap_or(self.effect == Effect::Deny)
    }

    pub(crate) fn condition(&self) -> &CompiledCondition {
        &self.condition
    }
}

impl PolicyIndex {
    pub(crate) fn new(policies: &[Policy], tenant: &TenantAttributes) -> Self {
        // By id, so that the same policy is named as the reason whatever order they came in.
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
        let targets = match policy.role_id {
            Some(role) => self.roles.entry(role).or_default(),
            None => &mut self.every_member,
        };
        for verb in &policy.verbs {
            let bucket = targets.entry(Target::of(&policy.resource, verb)).or_default();
            let side = match policy.effect {
                Effect::Deny => &mut bucket.denies,
                Effect::Allow => &mut bucket.allows,
            };
            match &conditional {
                Some(conditional) => side.conditional.push(Arc::clone(conditional)),
                None => side.unconditional = side.unconditional.or(Some(policy.id)),
            }
        }
    }

    /// Wherever policies are that speak of this permission to this role.
    pub(crate) fn buckets(&self, role: RoleId, permission: &PermissionInfo) -> [Option<&Bucket>; 8] {
        let [a, b, c, d] = self.roles.get(&role).map_or([None; 4], |targets| matching_buckets(targets, permission));
        let [e, f, g, h] = matching_buckets(&self.every_member, permission);
        [a, b, c, d, e, f, g, h]
    }
}

fn matching_buckets<'a>(targets: &'a Targets, permission: &PermissionInfo) -> [Option<&'a Bucket>; 4] {
    let (resource, verb) = (Some(permission.resource), Some(permission.verb));
    [(resource, verb), (resource, None), (None, verb), (None, None)]
        .map(|(resource, verb)| targets.get(&TargetRef { resource, verb }))
}
