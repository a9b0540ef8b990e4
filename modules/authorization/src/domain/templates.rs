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
pub(crate) struct ExistingRole {
    pub(crate) id: RoleId,
    /// From a template; else it is one of the tenant's own.
    pub(crate) is_system: bool,
}

/// A role of the tenant's own has the name of this system role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RoleNameConflict(pub(crate) &'static str);

/// What a tenant gets.
#[derive(Debug, Clone, Default)]
pub(crate) struct TemplateAdditions {
    /// System roles by name, which is its own key.
    pub(crate) roles: Vec<(RoleId, &'static str)>,
    /// Template policies.
    pub(crate) policies: Vec<(PolicyId, NewPolicy)>,
}

/// Where the ids of what is added come from. They are asked for in the order of the versions.
pub(crate) trait IdGenerator {
    fn role(&mut self, name: &str) -> RoleId;
    fn policy(&mut self) -> PolicyId;
}

/// Ids that nothing has had before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RandomIds;

impl IdGenerator for RandomIds {
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
    pub(crate) fn initial_additions(&self, ids: &mut impl IdGenerator) -> TemplateAdditions {
        self.build_additions(BTreeMap::new(), ids)
    }

    /// What a tenant at this version lacks. `roles` are those of its roles that have the name of a system role. A system
    /// role that isn't there is made with all that the versions give it.
    pub(crate) fn additions_since(
        &self,
        version: i32,
        roles: &BTreeMap<String, ExistingRole>,
        ids: &mut impl IdGenerator,
    ) -> Result<TemplateAdditions, RoleNameConflict> {
        let mut existing = BTreeMap::new();
        for name in self.roles() {
            match roles.get(name) {
                Some(ExistingRole { id, is_system: true }) => _ = existing.insert(name, (*id, version)),
                Some(ExistingRole { is_system: false, .. }) => return Err(RoleNameConflict(name)),
                None => {}
            }
        }
        Ok(self.build_additions(existing, ids))
    }

    /// `existing`: the system roles by name, and the version up to which each has its policies.
    fn build_additions(&self, mut existing: BTreeMap<&'static str, (RoleId, i32)>, ids: &mut impl IdGenerator) -> TemplateAdditions {
        let mut added = TemplateAdditions::default();
        for (number, allows) in (1..).zip(self.0) {
            for allow in *allows {
                let (role, has) = *existing.entry(allow.role).or_insert_with(|| {
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
    fn describe(added: &TemplateAdditions, roles: &BTreeMap<String, ExistingRole>) -> Vec<String> {
        let existing = roles.iter().map(|(name, role)| (role.id, name.as_str()));
        let names: BTreeMap<_, _> = existing.chain(added.roles.iter().copied()).collect();
        let policies = added.policies.iter().map(|(_, policy)| {
            let role = names[&policy.role_id().unwrap()];
            format!("{role} {}:{}", policy.resource(), policy.verbs().join(","))
        });
        added.roles.iter().map(|(_, name)| format!("role {name}")).chain(policies).collect()
    }

    fn system_role() -> ExistingRole {
        ExistingRole { id: RoleId::new(), is_system: true }
    }

    fn roles<const N: usize>(named: [(&str, ExistingRole); N]) -> BTreeMap<String, ExistingRole> {
        named.map(|(name, role)| (name.to_owned(), role)).into()
    }

    /// What is out stays as it is: tenants have it already. A new version is a new line here.
    #[test]
    fn template_versions_snapshot() {
        let versions: Vec<_> = TEMPLATES
            .0
            .iter()
            .map(|allows| allows.iter().map(|a| format!("{} {}:{}", a.role, a.resource, a.verb)).collect::<Vec<_>>())
            .collect();
        assert_eq!(versions, [vec!["admin *:*", "member user:read"], vec!["member role:read"]]);
        assert_eq!(TEMPLATES.current(), 2);
    }

    #[test]
    fn role_name_comparison_matches_database() {
        for name in TEMPLATES.roles() {
            assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase()), "{name}");
        }
    }

    #[test]
    fn new_tenant_gets_all_outdated_tenant_gets_missing() {
        let whole = TEMPLATES.initial_additions(&mut RandomIds);
        let all = ["role admin", "role member", "admin *:*", "member user:read", "member role:read"];
        assert_eq!(describe(&whole, &BTreeMap::new()), all);
        let existing = roles([(ADMIN, system_role()), (MEMBER, system_role())]);
        for (version, expected) in [(1, &all[4..]), (2, &[]), (3, &[])] {
            assert_eq!(
                describe(&TEMPLATES.additions_since(version, &existing, &mut RandomIds).unwrap(), &existing),
                expected,
                "{version}"
            );
        }
    }

    #[test]
    fn template_version_can_add_role() {
        const LATER: Templates = Templates(&[
            TEMPLATES.0[0],
            TEMPLATES.0[1],
            &[allow("auditor", "policy", "read"), allow(MEMBER, "policy", "read")],
        ]);
        assert_eq!((LATER.current(), LATER.roles()), (3, vec![ADMIN, MEMBER, "auditor"]));
        let existing = roles([(ADMIN, system_role()), (MEMBER, system_role())]);
        let added = LATER.additions_since(2, &existing, &mut RandomIds).unwrap();
        assert_eq!(describe(&added, &existing), ["role auditor", "auditor policy:read", "member policy:read"]);
    }

    #[test]
    fn missing_system_role_is_recreated() {
        let existing = roles([(ADMIN, system_role())]);
        let added = TEMPLATES.additions_since(1, &existing, &mut RandomIds).unwrap();
        assert_eq!(describe(&added, &existing), ["role member", "member user:read", "member role:read"]);
    }

    #[test]
    fn custom_role_blocks_same_named_system_role() {
        let own = ExistingRole { id: RoleId::new(), is_system: false };
        let existing = roles([(ADMIN, system_role()), (MEMBER, own)]);
        assert_eq!(TEMPLATES.additions_since(1, &existing, &mut RandomIds).unwrap_err(), RoleNameConflict(MEMBER));
    }
}
