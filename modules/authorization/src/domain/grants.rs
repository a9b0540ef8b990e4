//! What a subject holds by the policies as they are written, and who may grant it: nobody grants what they don't hold
//! themselves under the same conditions.
//!
//! Not the engine's question. That decides one request; a grant is for all requests to come, so conditions are compared as
//! they are written: one is the same as itself, none at all holds more than any, and no other two can be compared. What can't
//! be compared isn't held. What is known of the subject is put in before: a role, and for a person an id.

#[cfg(test)]
mod properties;
mod reading;
#[cfg(test)]
mod tests;

use std::{collections::HashSet, fmt};

use kernel::contracts::{MemberInvite, Permission, PermissionInfo, PolicyId, RoleId, UserId};

use super::{Effect, Policy};
use reading::{Subject, When};

/// What a role, or a person in it, is allowed and denied.
#[derive(Debug)]
pub(crate) struct Holdings<'a> {
    allows: Vec<Clause<'a>>,
    denies: Vec<Clause<'a>>,
}

/// One verb of a policy.
#[derive(Debug, Clone)]
struct Clause<'a> {
    policy: PolicyId,
    what: Pattern<'a>,
    when: When,
}

/// A resource and a verb, either of which may be `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pattern<'a> {
    resource: &'a str,
    verb: &'a str,
}

const ALL: &str = "*";

impl fmt::Display for Pattern<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.resource, self.verb)
    }
}

impl<'a> Pattern<'a> {
    fn covers(self, other: Pattern<'_>) -> bool {
        let covers = |own: &str, other: &str| own == ALL || own == other;
        covers(self.resource, other.resource) && covers(self.verb, other.verb)
    }

    /// What both speak of.
    fn meet(self, other: Pattern<'a>) -> Option<Pattern<'a>> {
        let meet = |own: &'a str, other: &'a str| match (own, other) {
            (ALL, name) | (name, ALL) => Some(name),
            (own, other) => (own == other).then_some(own),
        };
        Some(Pattern { resource: meet(self.resource, other.resource)?, verb: meet(self.verb, other.verb)? })
    }
}

impl Clause<'_> {
    fn covers(&self, what: Pattern<'_>, when: &When) -> bool {
        self.what.covers(what) && (self.when == When::Always || self.when == *when)
    }
}

impl<'a> Holdings<'a> {
    /// Of whoever is in the role; of this person in it, where one is meant. Without a role there are none.
    pub(crate) fn of(policies: &'a [Policy], role: Option<RoleId>, person: Option<UserId>) -> Self {
        let mut holdings = Self { allows: Vec::new(), denies: Vec::new() };
        let Some(role) = role else { return holdings };
        let subject = Subject { role, person };
        for policy in policies.iter().filter(|policy| policy.role_id.is_none_or(|only| only == role)) {
            let (side, when) = match policy.effect {
                Effect::Allow => (&mut holdings.allows, When::allows(policy, subject)),
                Effect::Deny => (&mut holdings.denies, When::denies(policy, subject)),
            };
            let Some(when) = when else { continue };
            side.extend(policy.verbs.iter().map(|verb| {
                let what = Pattern { resource: &policy.resource, verb };
                Clause { policy: policy.id, what, when: when.clone() }
            }));
        }
        holdings
    }

    /// Whether they may do everything, whatever the circumstances: such a subject can take back whatever others do.
    pub(crate) fn is_everything(&self) -> bool {
        let everything = Pattern { resource: ALL, verb: ALL };
        self.denies.is_empty() && self.allows.iter().any(|clause| clause.covers(everything, &When::Always))
    }

    /// The first thing that somebody with these holdings may not grant, of what a subject gains whose holdings were `from`
    /// and become `to`. Of a role that stays the same, the policies that are the `same` in both may be named: nobody gains
    /// anything by them, so they needn't be looked through.
    pub(crate) fn lacking(
        &self,
        from: &Holdings<'a>,
        to: &Holdings<'a>,
        same: &HashSet<PolicyId>,
    ) -> Option<Pattern<'a>> {
        gained(from, to, same).into_iter().find(|gain| !self.holds(gain, to)).map(|gain| gain.what)
    }

    /// Whether these include what others gain who are then denied what `to` denies.
    fn holds(&self, gain: &Clause<'a>, to: &Holdings<'a>) -> bool {
        self.allows(gain) && released(&self.denies, gain, to).next().is_none()
    }

    /// Whether there are circumstances under which they may do this.
    fn might(&self, PermissionInfo { resource, verb, .. }: &PermissionInfo) -> bool {
        let what = Pattern { resource, verb };
        let never = self.denies.iter().any(|deny| deny.covers(what, &When::Always));
        !never && self.allows.iter().any(|allow| allow.what.covers(what))
    }

    /// Denies left aside.
    fn allows(&self, clause: &Clause<'_>) -> bool {
        self.allows.iter().any(|own| own.covers(clause.what, &clause.when))
    }
}

/// Whether whoever invited somebody may still do it as the policies are now: invite at all, and bring this person, who
/// isn't a member, into the role.
pub(crate) fn may_still_grant(
    policies: &[Policy],
    (inviter, inviter_role): (UserId, RoleId),
    (person, role): (UserId, RoleId),
) -> bool {
    let granter = Holdings::of(policies, Some(inviter_role), Some(inviter));
    let (from, to) = (Holdings::of(policies, None, None), Holdings::of(policies, Some(role), Some(person)));
    granter.might(&MemberInvite::INFO) && granter.lacking(&from, &to, &HashSet::new()).is_none()
}

/// What is allowed in `to` and wasn't in `from`, and what isn't denied any more.
fn gained<'a>(from: &Holdings<'a>, to: &Holdings<'a>, same: &HashSet<PolicyId>) -> Vec<Clause<'a>> {
    let denied: Vec<_> = from.denies.iter().filter(|deny| !same.contains(&deny.policy)).cloned().collect();
    let mut gained = Vec::new();
    for allow in &to.allows {
        if same.contains(&allow.policy) || from.allows(allow) {
            gained.extend(released(&denied, allow, to));
        } else {
            gained.push(allow.clone());
        }
    }
    gained
}

/// Those parts of what is allowed that are denied, where `to` doesn't deny them as well.
fn released<'h, 'a>(
    denied: &'h [Clause<'a>],
    allow: &'h Clause<'a>,
    to: &'h Holdings<'a>,
) -> impl Iterator<Item = Clause<'a>> + use<'h, 'a> {
    denied.iter().filter_map(move |deny| {
        let what = deny.what.meet(allow.what)?;
        let still = to.denies.iter().any(|other| other.covers(what, &deny.when));
        (!still).then(|| Clause { what, ..allow.clone() })
    })
}
