//! The escalation check: a caller can grant only permissions that they hold themselves, under the same conditions.
//!
//! The engine decides one request; a grant affects all future ones, so conditions are compared syntactically. A condition
//! covers an equal one, the absence of a condition covers every condition, and all other pairs are incomparable.
//! Incomparable conditions count as not held. Known attributes of the subject are substituted before the comparison: the
//! role and, for a specific user, the user id.

mod partial_eval;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::{collections::HashSet, fmt};

use authorization_api::{Effect, MemberInvite};
use hashbrown::HashMap;
use kernel::{Permission, PermissionInfo, PolicyId, RoleId, UserId};

use super::Policy;
use partial_eval::{EffectiveCondition, PreparedCondition, Subject};

/// A tenant's policies, prepared to determine the permissions of several subjects. Preparing takes time in proportion
/// to the size of all conditions.
#[derive(Debug)]
pub(crate) struct PreparedPolicies<'a>(Vec<(&'a Policy, PreparedCondition<'a>)>);

/// The allowed and denied permissions of a role, or of a specific user with the role.
#[derive(Debug, Default)]
pub(crate) struct EffectivePermissions<'a> {
    allows: AccessEntries<'a>,
    denies: AccessEntries<'a>,
}

/// One verb of an allow or deny policy.
#[derive(Debug, Clone, Copy)]
struct AccessEntry<'a> {
    policy: PolicyId,
    pattern: PermissionPattern<'a>,
    condition: EffectiveCondition,
}

/// Entries with the same effect, in the order of the policies.
#[derive(Debug, Default)]
struct AccessEntries<'a> {
    entries: Vec<AccessEntry<'a>>,
    index: hashbrown::HashSet<(PermissionPattern<'a>, EffectiveCondition)>,
}

/// The denies of one state that another state lacks in whole or in part.
struct LostDenies<'e, 'a> {
    /// By pattern, in the order of the policies.
    denies: Vec<(PermissionPattern<'a>, Vec<EffectiveCondition>)>,
    after: &'e AccessEntries<'a>,
    undenied_by_pattern: HashMap<PermissionPattern<'a>, Vec<PermissionPattern<'a>>>,
}

/// A resource and a verb. Either may be `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PermissionPattern<'a> {
    resource: &'a str,
    verb: &'a str,
}

const ALL: &str = "*";

impl fmt::Display for PermissionPattern<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.resource, self.verb)
    }
}

impl<'a> PermissionPattern<'a> {
    fn covers(self, other: PermissionPattern<'_>) -> bool {
        let name_covers = |own: &str, other: &str| own == ALL || own == other;
        name_covers(self.resource, other.resource) && name_covers(self.verb, other.verb)
    }

    /// Returns the pattern of the permissions that both cover.
    fn intersect(self, other: PermissionPattern<'a>) -> Option<PermissionPattern<'a>> {
        let intersect = |own: &'a str, other: &'a str| match (own, other) {
            (ALL, name) | (name, ALL) => Some(name),
            (own, other) => (own == other).then_some(own),
        };
        Some(PermissionPattern {
            resource: intersect(self.resource, other.resource)?,
            verb: intersect(self.verb, other.verb)?,
        })
    }
}

impl<'a> AccessEntries<'a> {
    fn extend(&mut self, policy: &'a Policy, condition: EffectiveCondition) {
        for verb in &policy.verbs {
            let pattern = PermissionPattern { resource: &policy.resource, verb };
            self.entries.push(AccessEntry { policy: policy.id, pattern, condition });
            self.index.insert((pattern, condition));
        }
    }

    /// Returns true if one entry covers the whole pattern, unconditionally or under the same condition.
    fn covers(&self, pattern: PermissionPattern<'_>, condition: EffectiveCondition) -> bool {
        let PermissionPattern { resource, verb } = pattern;
        let covering = [(resource, verb), (resource, ALL), (ALL, verb), (ALL, ALL)];
        covering.into_iter().any(|(resource, verb)| {
            let pattern = PermissionPattern { resource, verb };
            self.index.contains(&(pattern, EffectiveCondition::Always)) || self.index.contains(&(pattern, condition))
        })
    }
}

impl<'a> PreparedPolicies<'a> {
    pub(crate) fn new(policies: &'a [Policy]) -> Self {
        Self(policies.iter().map(|policy| (policy, PreparedCondition::new(policy))).collect())
    }

    /// Returns the policies of the role, those for every member included.
    fn of_role(&self, role: RoleId) -> impl Iterator<Item = &(&'a Policy, PreparedCondition<'a>)> {
        self.0.iter().filter(move |(policy, _)| policy.role_id.is_none_or(|policy_role| policy_role == role))
    }

    /// Returns true if the role is allowed everything unconditionally and denied nothing. Its members can revert every
    /// change that others make.
    pub(crate) fn is_full_admin(&self, role: RoleId) -> bool {
        let subject = Subject { role, user: None };
        let allows_everything = self.of_role(role).any(|(policy, condition)| {
            let covers_all = policy.resource == ALL && policy.verbs.iter().any(|verb| verb == ALL);
            policy.effect == Effect::Allow && covers_all && condition.known(subject) == Some(true)
        });
        let never_denied = |(policy, condition): &(&Policy, PreparedCondition<'_>)| {
            policy.effect == Effect::Allow || condition.known(subject) == Some(false)
        };
        allows_everything && self.of_role(role).all(never_denied)
    }
}

impl<'a> EffectivePermissions<'a> {
    /// Returns the permissions of every user with the role, or of a specific one. Without a role, there are none.
    pub(crate) fn of(policies: &PreparedPolicies<'a>, role: Option<RoleId>, user: Option<UserId>) -> Self {
        let mut permissions = Self::default();
        let Some(role) = role else { return permissions };
        let subject = Subject { role, user };
        for (policy, condition) in policies.of_role(role) {
            match (policy.effect, condition.evaluate(subject)) {
                // It never applies.
                (_, None) | (Effect::Allow, Some(EffectiveCondition::Invalid(_))) => {}
                (Effect::Allow, Some(condition)) => permissions.allows.extend(policy, condition),
                (Effect::Deny, Some(condition)) => permissions.denies.extend(policy, condition),
            }
        }
        permissions
    }

    /// Returns the first permission that a subject gains if its permissions change from `before` to `after`, but that
    /// these permissions don't include. Returns `None` if there is no escalation.
    ///
    /// If the subject's role stays the same, `unchanged` may list policies that are equal in both. Their allows count
    /// as granted before, and their denies as kept.
    pub(crate) fn first_escalation(
        &self,
        before: &EffectivePermissions<'a>,
        after: &EffectivePermissions<'a>,
        unchanged: &HashSet<PolicyId>,
    ) -> Option<PermissionPattern<'a>> {
        let changed = before.denies.entries.iter().filter(|deny| !unchanged.contains(&deny.policy));
        let mut lost = LostDenies::new(changed, after);
        // A granter who is denied something may grant it only to a subject who is denied it as well.
        let mut granter_only = LostDenies::new(&self.denies.entries, after);
        let mut holds = |pattern: PermissionPattern<'a>, condition| {
            self.allows.covers(pattern, condition) && granter_only.undenied(pattern).is_empty()
        };
        // Equal gains are checked once.
        let mut checked = hashbrown::HashSet::new();
        for allow in &after.allows.entries {
            let allowed_before =
                unchanged.contains(&allow.policy) || before.allows.covers(allow.pattern, allow.condition);
            let whole = [allow.pattern];
            let gained = if allowed_before { lost.undenied(allow.pattern) } else { &whole };
            for pattern in gained {
                if checked.insert((*pattern, allow.condition)) && !holds(*pattern, allow.condition) {
                    return Some(*pattern);
                }
            }
        }
        None
    }

    /// Returns true if the permission can be allowed, depending on conditions.
    fn can_be_allowed(&self, PermissionInfo { resource, verb, .. }: &PermissionInfo) -> bool {
        let pattern = PermissionPattern { resource, verb };
        !self.denies.covers(pattern, EffectiveCondition::Always)
            && self.allows.entries.iter().any(|allow| allow.pattern.covers(pattern))
    }
}

impl<'e, 'a> LostDenies<'e, 'a> {
    fn new(denies: impl IntoIterator<Item = &'e AccessEntry<'a>>, after: &'e EffectivePermissions<'a>) -> Self
    where
        'a: 'e,
    {
        let after = &after.denies;
        let mut by_pattern: Vec<(PermissionPattern<'a>, Vec<EffectiveCondition>)> = Vec::new();
        let mut positions = HashMap::new();
        for AccessEntry { pattern, condition, .. } in denies {
            if !after.covers(*pattern, *condition) {
                let position = *positions.entry(*pattern).or_insert(by_pattern.len());
                match by_pattern.get_mut(position) {
                    Some((_, conditions)) => conditions.push(*condition),
                    None => by_pattern.push((*pattern, vec![*condition])),
                }
            }
        }
        Self { denies: by_pattern, after, undenied_by_pattern: HashMap::new() }
    }

    /// Returns the parts of `allowed` that are no longer denied under the same condition.
    fn undenied(&mut self, allowed: PermissionPattern<'a>) -> &[PermissionPattern<'a>] {
        let (denies, after) = (&self.denies, self.after);
        self.undenied_by_pattern.entry(allowed).or_insert_with(|| {
            let undenied = denies.iter().filter_map(|(denied, conditions)| {
                let pattern = denied.intersect(allowed)?;
                conditions.iter().any(|condition| !after.covers(pattern, *condition)).then_some(pattern)
            });
            undenied.collect()
        })
    }
}

/// Returns true if the current policies still permit the inviter to invite at all, and to grant the role to the invitee.
/// The invitee must not be a member yet.
pub(crate) fn may_invite_to_role(
    policies: &[Policy],
    (inviter, inviter_role): (UserId, RoleId),
    (invitee, role): (UserId, RoleId),
) -> bool {
    let policies = &PreparedPolicies::new(policies);
    let granter = EffectivePermissions::of(policies, Some(inviter_role), Some(inviter));
    let (before, after) =
        (EffectivePermissions::default(), EffectivePermissions::of(policies, Some(role), Some(invitee)));
    granter.can_be_allowed(&MemberInvite::INFO) && granter.first_escalation(&before, &after, &HashSet::new()).is_none()
}
