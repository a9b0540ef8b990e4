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
use kernel::{Permission, PermissionInfo, PolicyId, RoleId, UserId};

use super::Policy;
use partial_eval::{EffectiveCondition, Subject};

/// The allowed and denied permissions of a role, or of a specific user with the role.
#[derive(Debug)]
pub(crate) struct EffectivePermissions<'a> {
    allows: Vec<AccessEntry<'a>>,
    denies: Vec<AccessEntry<'a>>,
}

/// One verb of an allow or deny policy.
#[derive(Debug, Clone)]
struct AccessEntry<'a> {
    policy: PolicyId,
    pattern: PermissionPattern<'a>,
    condition: EffectiveCondition,
}

/// A resource and a verb. Either may be `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

impl AccessEntry<'_> {
    fn covers(&self, pattern: PermissionPattern<'_>, condition: &EffectiveCondition) -> bool {
        self.pattern.covers(pattern) && (self.condition == EffectiveCondition::Always || self.condition == *condition)
    }
}

impl<'a> EffectivePermissions<'a> {
    /// Returns the permissions of every user with the role, or of a specific one. Without a role, there are none.
    pub(crate) fn of(policies: &'a [Policy], role: Option<RoleId>, user: Option<UserId>) -> Self {
        let mut permissions = Self { allows: Vec::new(), denies: Vec::new() };
        let Some(role) = role else { return permissions };
        let subject = Subject { role, user };
        for policy in policies.iter().filter(|policy| policy.role_id.is_none_or(|policy_role| policy_role == role)) {
            let Some(condition) = EffectiveCondition::of(policy, subject) else { continue };
            let entries = match (policy.effect, &condition) {
                // It never allows.
                (Effect::Allow, EffectiveCondition::Invalid(_)) => continue,
                (Effect::Allow, _) => &mut permissions.allows,
                (Effect::Deny, _) => &mut permissions.denies,
            };
            entries.extend(policy.verbs.iter().map(|verb| {
                let pattern = PermissionPattern { resource: &policy.resource, verb };
                AccessEntry { policy: policy.id, pattern, condition: condition.clone() }
            }));
        }
        permissions
    }

    /// Returns true if everything is allowed unconditionally and nothing is denied. Such a subject can revert every change
    /// that others make.
    pub(crate) fn is_full_admin(&self) -> bool {
        let everything = PermissionPattern { resource: ALL, verb: ALL };
        self.denies.is_empty() && self.allows.iter().any(|entry| entry.covers(everything, &EffectiveCondition::Always))
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
        newly_granted(before, after, unchanged)
            .into_iter()
            .find(|gain| !self.holds(gain, after))
            .map(|gain| gain.pattern)
    }

    /// Returns true if these permissions allow `gain`, and `after` denies every part of it that they deny.
    fn holds(&self, gain: &AccessEntry<'a>, after: &EffectivePermissions<'a>) -> bool {
        self.allows_ignoring_denies(gain) && undenied_parts(&self.denies, gain, after).next().is_none()
    }

    /// Returns true if the permission can be allowed, depending on conditions.
    fn can_be_allowed(&self, PermissionInfo { resource, verb, .. }: &PermissionInfo) -> bool {
        let pattern = PermissionPattern { resource, verb };
        let always_denied = self.denies.iter().any(|deny| deny.covers(pattern, &EffectiveCondition::Always));
        !always_denied && self.allows.iter().any(|allow| allow.pattern.covers(pattern))
    }

    /// Returns true if an allow covers the entry.
    fn allows_ignoring_denies(&self, entry: &AccessEntry<'_>) -> bool {
        self.allows.iter().any(|own| own.covers(entry.pattern, &entry.condition))
    }
}

/// Returns true if the current policies still permit the inviter to invite at all, and to grant the role to the invitee.
/// The invitee must not be a member yet.
pub(crate) fn may_invite_to_role(
    policies: &[Policy],
    (inviter, inviter_role): (UserId, RoleId),
    (invitee, role): (UserId, RoleId),
) -> bool {
    let granter = EffectivePermissions::of(policies, Some(inviter_role), Some(inviter));
    let (before, after) =
        (EffectivePermissions::of(policies, None, None), EffectivePermissions::of(policies, Some(role), Some(invitee)));
    granter.can_be_allowed(&MemberInvite::INFO) && granter.first_escalation(&before, &after, &HashSet::new()).is_none()
}

/// Returns what `after` allows and `before` doesn't, and what is allowed and no longer denied.
fn newly_granted<'a>(
    before: &EffectivePermissions<'a>,
    after: &EffectivePermissions<'a>,
    unchanged: &HashSet<PolicyId>,
) -> Vec<AccessEntry<'a>> {
    let denies: Vec<_> = before.denies.iter().filter(|deny| !unchanged.contains(&deny.policy)).cloned().collect();
    let mut granted = Vec::new();
    for allow in &after.allows {
        if unchanged.contains(&allow.policy) || before.allows_ignoring_denies(allow) {
            granted.extend(undenied_parts(&denies, allow, after));
        } else {
            granted.push(allow.clone());
        }
    }
    granted
}

/// Returns the parts of `allow` that `denies` deny and `after` doesn't.
fn undenied_parts<'h, 'a>(
    denies: &'h [AccessEntry<'a>],
    allow: &'h AccessEntry<'a>,
    after: &'h EffectivePermissions<'a>,
) -> impl Iterator<Item = AccessEntry<'a>> + use<'h, 'a> {
    denies.iter().filter_map(move |deny| {
        let pattern = deny.pattern.intersect(allow.pattern)?;
        let still_denied = after.denies.iter().any(|other| other.covers(pattern, &deny.condition));
        (!still_denied).then(|| AccessEntry { pattern, ..allow.clone() })
    })
}
