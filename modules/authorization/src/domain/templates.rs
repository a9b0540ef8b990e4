//! What the system roles may do from the start, in versions.
//!
//! A tenant is known to have a version by its number alone. So a version that is out stays as it is, and what is to
//! be different is another one at the end, which adds. Absent on purpose: any way to take something away, a deny
//! included, for a tenant may have built on it.

use std::collections::BTreeMap;

use kernel::contracts::{PolicyId, RoleId};

use super::{Effect, NewPolicy};

/// The system role that may do everything.
pub(crate) const ADMIN: &str = "admin";
/// The system role of everybody else.
pub(crate) const MEMBER: &str = "member";

/// All versions there are.
pub(crate) const TEMPLATES: Templates = Templates(&[
    // 1: an admin may do everything, and a member see who else is there,
    &[allow(ADMIN, "*", "*"), allow(MEMBER, "user", "read")],
    // 2: and what roles they have.
    &[allow(MEMBER, "role", "read")],
]);

/// Something that a system role may do. The role comes with the first that names it.
#[derive(Debug, Clone, Copy)]
struct Allow {
    role: &'static str,
    resource: &'static str,
    verb: &'static str,
}

const fn allow(role: &'static str, resource: &'static str, verb: &'static str) -> Allow {
    Allow { role, resource, verb }
}

/// The versions in order, each with what it adds. The first one is version 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Templates(&'static [&'static [Allow]]);

/// A tenant's role, found by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NamedRole {
    pub(crate) id: RoleId,
    /// From a template; else it is one of the tenant's own.
    pub(crate) is_system: bool,
}

/// A role of the tenant's own has the name of this system role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NameTaken(pub(crate) &'static str);

/// What a tenant gets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Additions {
    /// System roles by name, which is its own key.
    pub(crate) roles: Vec<(RoleId, &'static str)>,
    /// Template policies.
    pub(crate) policies: Vec<(PolicyId, NewPolicy)>,
}

/// Where the ids of what is added come from. They are asked for in the order of the versions.
pub(crate) trait NewIds {
    fn role(&mut self, name: &str) -> RoleId;
    fn policy(&mut self) -> PolicyId;
}

/// Ids that nothing has had before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FreshIds;

impl NewIds for FreshIds {
    fn role(&mut self, _: &str) -> RoleId {
        RoleId::new()
    }

    fn policy(&mut self) -> PolicyId {
        PolicyId::new()
    }
}

impl Templates {
    /// The version that founded tenants get.
    pub(crate) const fn current(&self) -> i32 {
        self.0.len() as i32
    }

    /// The names of the system roles, in the order in which they came.
    pub(crate) fn roles(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for Allow { role, .. } in self.0.iter().copied().flatten() {
            if !names.contains(role) {
                names.push(*role);
            }
        }
        names
    }

    /// What a tenant gets that has nothing.
    pub(crate) fn whole(&self, ids: &mut impl NewIds) -> Additions {
        self.beyond(BTreeMap::new(), ids)
    }

    /// What a tenant at this version lacks. `roles` are those of its roles that have the name of a system role. A system
    /// role that isn't there is made with all that the versions give it.
    pub(crate) fn lacking(
        &self,
        version: i32,
        roles: &BTreeMap<String, NamedRole>,
        ids: &mut impl NewIds,
    ) -> Result<Additions, NameTaken> {
        let mut there = BTreeMap::new();
        for name in self.roles() {
            match roles.get(name) {
                Some(NamedRole { id, is_system: true }) => _ = there.insert(name, (*id, version)),
                Some(NamedRole { is_system: false, .. }) => return Err(NameTaken(name)),
                None => {}
            }
        }
        Ok(self.beyond(there, ids))
    }

    /// `there`: the system roles by name, and the version up to which each has its policies.
    fn beyond(&self, mut there: BTreeMap<&'static str, (RoleId, i32)>, ids: &mut impl NewIds) -> Additions {
        let mut added = Additions::default();
        for (number, allows) in (1..).zip(self.0) {
            for allow in *allows {
                let (role, has) = *there.entry(allow.role).or_insert_with(|| {
                    let role = ids.role(allow.role);
                    added.roles.push((role, allow.role));
                    (role, 0)
                });
                if number > has {
                    let policy = NewPolicy::for_role(role, Effect::Allow, allow.resource, &[allow.verb]);
                    added.policies.push((ids.policy(), policy));
                }
            }
        }
        added
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is added, by the roles' names.
    fn said(added: &Additions, roles: &BTreeMap<String, NamedRole>) -> Vec<String> {
        let there = roles.iter().map(|(name, role)| (role.id, name.as_str()));
        let names: BTreeMap<_, _> = there.chain(added.roles.iter().copied()).collect();
        let policies = added.policies.iter().map(|(_, policy)| {
            let role = names[&policy.role_id().unwrap()];
            format!("{role} {}:{}", policy.resource(), policy.verbs().join(","))
        });
        added.roles.iter().map(|(_, name)| format!("role {name}")).chain(policies).collect()
    }

    fn system_role() -> NamedRole {
        NamedRole { id: RoleId::new(), is_system: true }
    }

    fn roles<const N: usize>(named: [(&str, NamedRole); N]) -> BTreeMap<String, NamedRole> {
        named.map(|(name, role)| (name.to_owned(), role)).into()
    }

    /// What is out stays as it is: tenants have it already. A new version is a new line here.
    #[test]
    fn the_versions_are_these() {
        let versions: Vec<_> = TEMPLATES
            .0
            .iter()
            .map(|allows| allows.iter().map(|a| format!("{} {}:{}", a.role, a.resource, a.verb)).collect::<Vec<_>>())
            .collect();
        assert_eq!(versions, [vec!["admin *:*", "member user:read"], vec!["member role:read"]]);
        assert_eq!(TEMPLATES.current(), 2);
    }

    #[test]
    fn names_are_compared_as_they_are_stored() {
        for name in TEMPLATES.roles() {
            assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase()), "{name}");
        }
    }

    #[test]
    fn a_founded_tenant_gets_everything_and_one_that_is_behind_what_it_lacks() {
        let whole = TEMPLATES.whole(&mut FreshIds);
        let all = ["role admin", "role member", "admin *:*", "member user:read", "member role:read"];
        assert_eq!(said(&whole, &BTreeMap::new()), all);
        let there = roles([(ADMIN, system_role()), (MEMBER, system_role())]);
        for (version, expected) in [(1, &all[4..]), (2, &[]), (3, &[])] {
            assert_eq!(
                said(&TEMPLATES.lacking(version, &there, &mut FreshIds).unwrap(), &there),
                expected,
                "{version}"
            );
        }
    }

    #[test]
    fn a_version_may_bring_a_role() {
        const LATER: Templates = Templates(&[
            TEMPLATES.0[0],
            TEMPLATES.0[1],
            &[allow("auditor", "policy", "read"), allow(MEMBER, "policy", "read")],
        ]);
        assert_eq!((LATER.current(), LATER.roles()), (3, vec![ADMIN, MEMBER, "auditor"]));
        let there = roles([(ADMIN, system_role()), (MEMBER, system_role())]);
        let added = LATER.lacking(2, &there, &mut FreshIds).unwrap();
        assert_eq!(said(&added, &there), ["role auditor", "auditor policy:read", "member policy:read"]);
    }

    #[test]
    fn a_system_role_that_is_gone_comes_back_whole() {
        let there = roles([(ADMIN, system_role())]);
        let added = TEMPLATES.lacking(1, &there, &mut FreshIds).unwrap();
        assert_eq!(said(&added, &there), ["role member", "member user:read", "member role:read"]);
    }

    #[test]
    fn a_role_of_the_tenants_own_is_in_the_way_of_a_system_role_of_its_name() {
        let own = NamedRole { id: RoleId::new(), is_system: false };
        let there = roles([(ADMIN, system_role()), (MEMBER, own)]);
        assert_eq!(TEMPLATES.lacking(1, &there, &mut FreshIds).unwrap_err(), NameTaken(MEMBER));
    }
}
