//! The escalation check: a caller can grant or take away only permissions that they have, under the same conditions. A
//! removal is checked with the states before and after swapped.
//!
//! A grant affects all future requests, so conditions can't be evaluated. They are compared syntactically: a condition
//! covers an equal one, the absence of a condition covers every condition, and all other pairs are incomparable.
//! Incomparable conditions are treated as not covered. Known attributes of the subject are substituted before the
//! comparison: the role and, for a specific user, the user id.

mod partial_eval;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;

use std::fmt;

use authorization_api::{Effect, MemberInvite};
use hashbrown::{HashMap, HashSet};
use kernel::{Permission, PermissionInfo, PolicyId, RoleId, UserId};

use super::Policy;
pub(crate) use partial_eval::Subject;
use partial_eval::{EffectiveCondition, PreparedCondition};

/// A tenant's policies, with conditions prepared for evaluation for many subjects. Preparing takes time in proportion to
/// the size of all conditions.
#[derive(Debug)]
pub(crate) struct PreparedPolicies<'a>(Vec<(&'a Policy, PreparedCondition<'a>)>);

/// The allowed and denied permissions of a role, or of a specific user with the role.
#[derive(Debug, Default)]
pub(crate) struct EffectivePermissions<'a> {
    allows: PolicyEntries<'a>,
    denies: PolicyEntries<'a>,
}

/// One verb of an allow or deny policy.
#[derive(Debug, Clone, Copy)]
struct PolicyEntry<'a> {
    policy_id: PolicyId,
    pattern: PermissionPattern<'a>,
    condition: EffectiveCondition,
}

/// Entries with the same effect, in the order of the policies.
#[derive(Debug, Default)]
struct PolicyEntries<'a> {
    entries: Vec<PolicyEntry<'a>>,
    index: HashSet<(PermissionPattern<'a>, EffectiveCondition)>,
}

/// Denies of one state that another state doesn't fully cover.
struct UncoveredDenies<'e, 'a> {
    /// By pattern, in the order of the policies.
    denies: Vec<(PermissionPattern<'a>, Vec<EffectiveCondition>)>,
    after: &'e PolicyEntries<'a>,
    not_denied_after: HashMap<PermissionPattern<'a>, Vec<PermissionPattern<'a>>>,
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
        let name_covers = |pattern: &str, name: &str| pattern == ALL || pattern == name;
        name_covers(self.resource, other.resource) && name_covers(self.verb, other.verb)
    }

    /// Returns the pattern of the permissions that both cover.
    fn intersect(self, other: PermissionPattern<'a>) -> Option<PermissionPattern<'a>> {
        let intersect = |one: &'a str, other: &'a str| match (one, other) {
            (ALL, name) | (name, ALL) => Some(name),
            (one, other) => (one == other).then_some(one),
        };
        Some(PermissionPattern {
            resource: intersect(self.resource, other.resource)?,
            verb: intersect(self.verb, other.verb)?,
        })
    }
}

impl<'a> PolicyEntries<'a> {
    fn extend(&mut self, policy: &'a Policy, condition: EffectiveCondition) {
        for verb in &policy.verbs {
            let pattern = PermissionPattern { resource: &policy.resource, verb };
            self.entries.push(PolicyEntry { policy_id: policy.id, pattern, condition });
            self.index.insert((pattern, condition));
        }
    }

    /// Returns whether one entry covers the entire pattern, unconditionally or under the same condition.
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

    /// Returns the policies of the role, including tenant-wide ones.
    fn for_role(&self, role: RoleId) -> impl Iterator<Item = &(&'a Policy, PreparedCondition<'a>)> {
        self.0.iter().filter(move |(policy, _)| policy.role_id.is_none_or(|policy_role| policy_role == role))
    }

    /// Returns whether the role is allowed everything unconditionally and denied nothing. Active members with such a role
    /// are the tenant's admins.
    pub(crate) fn is_admin_role(&self, role: RoleId) -> bool {
        let subject = Subject { role, user: None };
        let allows_everything = self.for_role(role).any(|(policy, condition)| {
            let covers_all = policy.resource == ALL && policy.verbs.iter().any(|verb| verb == ALL);
            policy.effect == Effect::Allow && covers_all && condition.known(subject) == Some(true)
        });
        let never_denied = |(policy, condition): &(&Policy, PreparedCondition<'_>)| {
            policy.effect == Effect::Allow || condition.known(subject) == Some(false)
        };
        allows_everything && self.for_role(role).all(never_denied)
    }
}

impl<'a> EffectivePermissions<'a> {
    /// Returns the permissions of every user with the role, or of a specific one. Returns none if `role` is `None`.
    pub(crate) fn for_subject(policies: &PreparedPolicies<'a>, role: Option<RoleId>, user: Option<UserId>) -> Self {
        let mut permissions = Self::default();
        let Some(role) = role else { return permissions };
        let subject = Subject { role, user };
        for (policy, condition) in policies.for_role(role) {
            match (policy.effect, condition.evaluate(subject)) {
                // An always-false condition, or an allow whose condition can't be parsed, never applies.
                (_, None) | (Effect::Allow, Some(EffectiveCondition::Invalid(_))) => {}
                (Effect::Allow, Some(condition)) => permissions.allows.extend(policy, condition),
                (Effect::Deny, Some(condition)) => permissions.denies.extend(policy, condition),
            }
        }
        permissions
    }

    /// Returns the first permission that a subject gains by a change from `before` to `after` and that `self`, the
    /// caller's permissions, doesn't cover. Returns `None` if there is no escalation.
    ///
    /// If the subject's role stays the same, `unchanged` may list policies that are equal in both. Their allows aren't
    /// gains, and their denies aren't removed.
    pub(crate) fn first_escalation(
        &self,
        before: &EffectivePermissions<'a>,
        after: &EffectivePermissions<'a>,
        unchanged: &HashSet<PolicyId>,
    ) -> Option<PermissionPattern<'a>> {
        let changed = before.denies.entries.iter().filter(|deny| !unchanged.contains(&deny.policy_id));
        let mut removed = UncoveredDenies::new(changed, after);
        // The caller's denies must also apply to the subject.
        let mut caller_denies = UncoveredDenies::new(&self.denies.entries, after);
        let mut may_grant = |pattern: PermissionPattern<'a>, condition| {
            self.allows.covers(pattern, condition) && caller_denies.not_denied_after(pattern).is_empty()
        };
        // Equal gains are checked once.
        let mut checked = HashSet::new();
        for allow in &after.allows.entries {
            let allowed_before =
                unchanged.contains(&allow.policy_id) || before.allows.covers(allow.pattern, allow.condition);
            let entire_pattern = [allow.pattern];
            let gained = if allowed_before { removed.not_denied_after(allow.pattern) } else { &entire_pattern };
            for pattern in gained {
                if checked.insert((*pattern, allow.condition)) && !may_grant(*pattern, allow.condition) {
                    return Some(*pattern);
                }
            }
        }
        None
    }

    /// Returns whether any request could be allowed the permission.
    fn can_be_allowed(&self, PermissionInfo { resource, verb, .. }: &PermissionInfo) -> bool {
        let pattern = PermissionPattern { resource, verb };
        !self.denies.covers(pattern, EffectiveCondition::Always)
            && self.allows.entries.iter().any(|allow| allow.pattern.covers(pattern))
    }
}

impl<'e, 'a> UncoveredDenies<'e, 'a> {
    fn new(denies: impl IntoIterator<Item = &'e PolicyEntry<'a>>, after: &'e EffectivePermissions<'a>) -> Self
    where
        'a: 'e,
    {
        let after = &after.denies;
        let mut by_pattern: Vec<(PermissionPattern<'a>, Vec<EffectiveCondition>)> = Vec::new();
        let mut positions = HashMap::new();
        for PolicyEntry { pattern, condition, .. } in denies {
            if !after.covers(*pattern, *condition) {
                let position = *positions.entry(*pattern).or_insert(by_pattern.len());
                match by_pattern.get_mut(position) {
                    Some((_, conditions)) => conditions.push(*condition),
                    None => by_pattern.push((*pattern, vec![*condition])),
                }
            }
        }
        Self { denies: by_pattern, after, not_denied_after: HashMap::new() }
    }

    /// Returns the parts of `allowed` to which one of these denies applies, and which the other state doesn't deny under
    /// the same condition.
    fn not_denied_after(&mut self, allowed: PermissionPattern<'a>) -> &[PermissionPattern<'a>] {
        let (denies, after) = (&self.denies, self.after);
        self.not_denied_after.entry(allowed).or_insert_with(|| {
            let patterns = denies.iter().filter_map(|(denied, conditions)| {
                let pattern = denied.intersect(allowed)?;
                conditions.iter().any(|condition| !after.covers(pattern, *condition)).then_some(pattern)
            });
            patterns.collect()
        })
    }
}

/// Returns whether some request of the inviter could be allowed `member:invite`, and whether the inviter may grant the
/// role to the invitee, who isn't a member yet.
pub(crate) fn may_invite_into_role(policies: &[Policy], inviter: Subject, invitee: Subject) -> bool {
    let policies = &PreparedPolicies::new(policies);
    let permissions = |subject: Subject| EffectivePermissions::for_subject(policies, Some(subject.role), subject.user);
    let (inviter, before, after) = (permissions(inviter), EffectivePermissions::default(), permissions(invitee));
    inviter.can_be_allowed(&MemberInvite::INFO) && inviter.first_escalation(&before, &after, &HashSet::new()).is_none()
}
