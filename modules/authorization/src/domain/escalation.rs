//! What a subject holds by the policies as they are written, and who may grant it: nobody grants what they don't hold
//! themselves under the same conditions.
//!
//! Not the engine's question. That decides one request; a grant is for all requests to come, so conditions are compared as
//! they are written: one is the same as itself, none at all holds more than any, and no other two can be compared. What can't
//! be compared isn't held. What is known of the subject is put in before: a role, and for a person an id.

#[cfg(test)]
mod properties;
mod partial_eval;
#[cfg(test)]
mod tests;

use std::{collections::HashSet, fmt};

use kernel::contracts::{MemberInvite, Permission, PermissionInfo, PolicyId, RoleId, UserId};

use super::{Effect, Policy};
use partial_eval::{Subject, EffectiveCondition};

/// What a role, or a person in it, is allowed and denied.
#[derive(Debug)]
pub(crate) struct EffectivePermissions<'a> {
    allows: Vec<AccessEntry<'a>>,
    denies: Vec<AccessEntry<'a>>,
}

/// One verb of a policy.
#[derive(Debug, Clone)]
struct AccessEntry<'a> {
    policy: PolicyId,
    pattern: PermissionPattern<'a>,
    condition: EffectiveCondition,
}

/// A resource and a verb, either of which may be `*`.
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
        let covers = |own: &str, other: &str| own == ALL || own == other;
        covers(self.resource, other.resource) && covers(self.verb, other.verb)
    }

    /// What both speak of.
    fn intersect(self, other: PermissionPattern<'a>) -> Option<PermissionPattern<'a>> {
        let intersect = |own: &'a str, other: &'a str| match (own, other) {
            (ALL, name) | (name, ALL) => Some(name),
            (own, other) => (own == other).then_some(own),
        };
        Some(PermissionPattern { resource: intersect(self.resource, other.resource)?, verb: intersect(self.verb, other.verb)? })
    }
}

impl AccessEntry<'_> {
    fn covers(&self, pattern: PermissionPattern<'_>, condition: &EffectiveCondition) -> bool {
        self.pattern.covers(pattern) && (self.condition == EffectiveCondition::Always || self.condition == *condition)
    }
}

impl<'a> EffectivePermissions<'a> {
    /// Of whoever is in the role; of this person in it, where one is meant. Without a role there are none.
    pub(crate) fn of(policies: &'a [Policy], role: Option<RoleId>, user: Option<UserId>) -> Self {
        let mut permissions = Self { allows: Vec::new(), denies: Vec::new() };
        let Some(role) = role else { return permissions };
        let subject = Subject { role, user };
        for policy in policies.iter().filter(|policy| policy.role_id.is_none_or(|only| only == role)) {
            let (entries, condition) = match policy.effect {
                Effect::Allow => (&mut permissions.allows, EffectiveCondition::for_allow(policy, subject)),
                Effect::Deny => (&mut permissions.denies, EffectiveCondition::for_deny(policy, subject)),
            };
            let Some(condition) = condition else { continue };
            entries.extend(policy.verbs.iter().map(|verb| {
                let pattern = PermissionPattern { resource: &policy.resource, verb };
                AccessEntry { policy: policy.id, pattern, condition: condition.clone() }
            }));
        }
        permissions
    }

    /// Whether they may do everything, whatever the circumstances: such a subject can take back whatever others do.
    pub(crate) fn is_full_admin(&self) -> bool {
        let everything = PermissionPattern { resource: ALL, verb: ALL };
        self.denies.is_empty() && self.allows.iter().any(|entry| entry.covers(everything, &EffectiveCondition::Always))
    }

    /// The first thing that somebody with these holdings may not grant, of what a subject gains whose holdings were `from`
    /// and become `to`. Of a role that stays the same, the policies that are the `unchanged` in both may be named: nobody gains
    /// anything by them, so they needn't be looked through.
    pub(crate) fn first_escalation(
        &self,
        from: &EffectivePermissions<'a>,
        to: &EffectivePermissions<'a>,
        unchanged: &HashSet<PolicyId>,
    ) -> Option<PermissionPattern<'a>> {
        newly_granted(from, to, unchanged).into_iter().find(|gain| !self.holds(gain, to)).map(|gain| gain.pattern)
    }

    /// Whether these include what others gain who are then denied what `to` denies.
    fn holds(&self, gain: &AccessEntry<'a>, to: &EffectivePermissions<'a>) -> bool {
        self.allows(gain) && no_longer_denied(&self.denies, gain, to).next().is_none()
    }

    /// Whether there are circumstances under which they may do this.
    fn may_ever(&self, PermissionInfo { resource, verb, .. }: &PermissionInfo) -> bool {
        let pattern = PermissionPattern { resource, verb };
        let never = self.denies.iter().any(|deny| deny.covers(pattern, &EffectiveCondition::Always));
        !never && self.allows.iter().any(|allow| allow.pattern.covers(pattern))
    }

    /// Denies left aside.
    fn allows(&self, entry: &AccessEntry<'_>) -> bool {
        self.allows.iter().any(|own| own.covers(entry.pattern, &entry.condition))
    }
}

/// Whether whoever invited somebody may still do it as the policies are now: invite at all, and bring this person, who
/// isn't a member, into the role.
pub(crate) fn may_invite_into(
    policies: &[Policy],
    (inviter, inviter_role): (UserId, RoleId),
    (invitee, role): (UserId, RoleId),
) -> bool {
    let granter = EffectivePermissions::of(policies, Some(inviter_role), Some(inviter));
    let (from, to) = (EffectivePermissions::of(policies, None, None), EffectivePermissions::of(policies, Some(role), Some(invitee)));
    granter.may_ever(&MemberInvite::INFO) && granter.first_escalation(&from, &to, &HashSet::new()).is_none()
}

/// What is allowed in `to` and wasn't in `from`, and what isn't denied any more.
fn newly_granted<'a>(from: &EffectivePermissions<'a>, to: &EffectivePermissions<'a>, unchanged: &HashSet<PolicyId>) -> Vec<AccessEntry<'a>> {
    let denied: Vec<_> = from.denies.iter().filter(|deny| !unchanged.contains(&deny.policy)).cloned().collect();
    let mut newly_granted = Vec::new();
    for allow in &to.allows {
        if unchanged.contains(&allow.policy) || from.allows(allow) {
            newly_granted.extend(no_longer_denied(&denied, allow, to));
        } else {
            newly_granted.push(allow.clone());
        }
    }
    newly_granted
}

/// Those parts of what is allowed that are denied, where `to` doesn't deny them as well.
fn no_longer_denied<'h, 'a>(
    denied: &'h [AccessEntry<'a>],
    allow: &'h AccessEntry<'a>,
    to: &'h EffectivePermissions<'a>,
) -> impl Iterator<Item = AccessEntry<'a>> + use<'h, 'a> {
    denied.iter().filter_map(move |deny| {
        let pattern = deny.pattern.intersect(allow.pattern)?;
        let still = to.denies.iter().any(|other| other.covers(pattern, &deny.condition));
        (!still).then(|| AccessEntry { pattern, ..allow.clone() })
    })
}
