//! Policy templates of the system roles, in versions.
//!
//! A tenant stores its policies and the version of the templates that they come from. So a released version must not
//! change; append a new version instead.
//! Versions can only add permissions. They deliberately can't remove or deny any, because tenants may rely on them.

pub(crate) mod store;
pub(crate) mod upgrade;

use std::collections::BTreeMap;

use authorization_api::Effect;
use kernel::{PolicyId, RoleId};

use crate::engine::NewPolicy;

/// The system role with full access.
pub(crate) const ADMIN: &str = "admin";
/// The system role of ordinary members.
pub(crate) const MEMBER: &str = "member";

/// All template versions.
pub(crate) const TEMPLATES: Templates = Templates(&[
    // 1: Admins may do everything, members may read users.
    &[Allow(ADMIN, "*", "*"), Allow(MEMBER, "user", "read")],
    // 2: Members may read roles.
    &[Allow(MEMBER, "role", "read")],
]);

/// Role, resource and verb of a system role's permission. The first one that names a role also creates it.
#[derive(Debug, Clone, Copy)]
struct Allow(&'static str, &'static str, &'static str);

/// The versions in order, starting with version 1. Each lists the permissions that it adds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Templates(&'static [&'static [Allow]]);

/// A role of a tenant that has the name of a system role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExistingRole {
    pub(crate) id: RoleId,
    /// Whether a template created it. Otherwise it is a custom role.
    pub(crate) is_system: bool,
}

/// Error: a custom role of the tenant has the name of this system role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RoleNameConflict(pub(crate) &'static str);

/// The roles and policies that a tenant receives.
#[derive(Debug, Clone, Default)]
pub(crate) struct TemplateAdditions {
    /// System roles and their names. Each name is its own normalized key.
    pub(crate) roles: Vec<(RoleId, &'static str)>,
    pub(crate) policies: Vec<(PolicyId, NewPolicy)>,
}

/// A source of ids for added roles and policies, by default random ones. It is called in the order of the versions.
pub(crate) trait IdGenerator {
    fn role(&mut self, _name: &str) -> RoleId {
        RoleId::new()
    }

    fn policy(&mut self) -> PolicyId {
        PolicyId::new()
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct RandomIds;

impl IdGenerator for RandomIds {}

impl Templates {
    /// Returns the latest version, which new tenants get.
    pub(crate) const fn current(&self) -> i32 {
        self.0.len() as i32
    }

    /// Returns the names of the system roles, in order of introduction.
    pub(crate) fn roles(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for Allow(role, ..) in self.0.iter().copied().flatten() {
            if !names.contains(role) {
                names.push(*role);
            }
        }
        names
    }

    /// Returns the roles and policies of a new tenant.
    pub(crate) fn initial_additions(&self, ids: &mut impl IdGenerator) -> TemplateAdditions {
        self.build_additions(BTreeMap::new(), ids)
    }

    /// Returns what a tenant at `version` is missing. `roles` are its roles that have the name of a system role. A missing
    /// system role is recreated with its policies from all versions.
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

    /// `existing` maps each system role to its id and the version up to which it has its policies.
    fn build_additions(
        &self,
        mut existing: BTreeMap<&'static str, (RoleId, i32)>,
        ids: &mut impl IdGenerator,
    ) -> TemplateAdditions {
        let mut added = TemplateAdditions::default();
        for (version, allows) in (1..).zip(self.0) {
            for Allow(name, resource, verb) in *allows {
                let (role, role_version) = *existing.entry(name).or_insert_with(|| {
                    let role = ids.role(name);
                    added.roles.push((role, name));
                    (role, 0)
                });
                if version > role_version {
                    let policy = NewPolicy::new(Some(role), Effect::Allow, resource, &[verb], None);
                    added.policies.push((ids.policy(), policy));
                }
            }
        }
        added
    }
}

#[cfg(test)]
mod tests {
    use authorization_api::RoleName;

    use super::*;

    /// Describes the additions, with the names of the roles.
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

    /// Released versions must not change, because tenants already have them. Append a new version to the list instead.
    #[test]
    fn template_versions_snapshot() {
        let versions: Vec<_> = TEMPLATES
            .0
            .iter()
            .map(|allows| allows.iter().map(|Allow(role, of, verb)| format!("{role} {of}:{verb}")).collect::<Vec<_>>())
            .collect();
        assert_eq!(versions, [vec!["admin *:*", "member user:read"], vec!["member role:read"]]);
        assert_eq!(TEMPLATES.current(), 2);
    }

    #[test]
    fn system_role_names_are_lowercase() {
        for name in TEMPLATES.roles() {
            assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase()), "{name}");
            assert_eq!(name.parse::<RoleName>().unwrap().key(), name, "the name is inserted as its own key");
        }
    }

    #[test]
    fn new_tenant_gets_all_additions() {
        let initial = TEMPLATES.initial_additions(&mut RandomIds);
        let all = ["role admin", "role member", "admin *:*", "member user:read", "member role:read"];
        assert_eq!(describe(&initial, &BTreeMap::new()), all);
    }

    #[test]
    fn outdated_tenant_gets_missing_additions() {
        let existing = roles([(ADMIN, system_role()), (MEMBER, system_role())]);
        for (version, expected) in [(1, vec!["member role:read"]), (2, vec![]), (3, vec![])] {
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
            &[Allow("auditor", "policy", "read"), Allow(MEMBER, "policy", "read")],
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
        let custom = ExistingRole { id: RoleId::new(), is_system: false };
        let existing = roles([(ADMIN, system_role()), (MEMBER, custom)]);
        assert_eq!(TEMPLATES.additions_since(1, &existing, &mut RandomIds).unwrap_err(), RoleNameConflict(MEMBER));
    }
}
