//! How policies decide: default deny, one matching deny wins, order never matters.

use kernel::contracts::{AccessRequest, Allowed, Decision, Denied, PolicySet, Principal, RoleId};

use super::{Effect, Facts, Policy, StoredCondition, TenantFacts};

/// A tenant's policies, with what their conditions may look at in the tenant.
#[derive(Debug)]
pub(crate) struct CompiledPolicies {
    version: i64,
    policies: Vec<Policy>,
    tenant: TenantFacts,
}

impl CompiledPolicies {
    /// Of the tenant's `policy_version`.
    pub(crate) fn new(version: i64, mut policies: Vec<Policy>, tenant: TenantFacts) -> Self {
        // Denies first, so that the first match decides; by id within them, so that the same policy is named as the
        // reason whatever order they came in.
        policies.sort_by_key(|policy| (policy.effect != Effect::Deny, policy.id));
        Self { version, policies, tenant }
    }

    /// The tenant's `policy_version` when they were read.
    pub(crate) fn version(&self) -> i64 {
        self.version
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.policies.len()
    }
}

impl PolicySet for CompiledPolicies {
    fn decide(&self, principal: Principal, role: RoleId, request: &AccessRequest<'_>) -> Decision {
        let facts = Facts { principal, resource: request.resource, tenant: &self.tenant };
        let of_member = |policy: &&Policy| policy.role_id.is_none_or(|of| of == role);
        let decisive =
            self.policies.iter().filter(of_member).find(|p| p.covers(request.permission) && applies(p, &facts));
        match decisive {
            Some(policy) if policy.effect == Effect::Allow => Decision::Allow(Allowed::ByPolicy(policy.id)),
            Some(policy) => Decision::Deny(Denied::ByPolicy(policy.id)),
            None => Decision::Deny(Denied::NoPolicyAllows),
        }
    }
}

/// A condition that can't be read or evaluated never allows and always denies.
fn applies(policy: &Policy, facts: &Facts<'_>) -> bool {
    let holds = match &policy.condition {
        StoredCondition::Always => Some(true),
        StoredCondition::When(condition) => condition.holds(facts),
        StoredCondition::Unreadable => None,
    };
    holds.unwrap_or(policy.effect == Effect::Deny)
}

#[cfg(test)]
mod tests {
    use kernel::contracts::{Environment, PermissionInfo, PolicyId, ResourceFacts, UserId};
    use serde_json::json;

    use super::{super::Condition, *};

    const READ: PermissionInfo = PermissionInfo { name: "user:read", resource: "user", verb: "read", about: "" };
    const PAY: PermissionInfo = PermissionInfo { name: "billing:pay", resource: "billing", verb: "pay", about: "" };

    fn policy(effect: Effect, resource: &str, verb: &str) -> Policy {
        Policy {
            id: PolicyId::new(),
            role_id: None,
            effect,
            resource: resource.into(),
            verbs: vec![verb.into()],
            condition: StoredCondition::Always,
        }
    }

    fn decide(policies: &[Policy], role: RoleId, permission: &PermissionInfo, owner: Option<UserId>) -> Decision {
        let set = CompiledPolicies::new(1, policies.to_vec(), TenantFacts::default());
        let environment = Environment { now: time::OffsetDateTime::UNIX_EPOCH, client_addr: None };
        let resource = owner.map(|owner| ResourceFacts { owner: Some(owner) });
        let request = AccessRequest { permission, resource: resource.as_ref(), environment: &environment };
        set.decide(Principal::User(UserId::from_uuid(uuid::Uuid::nil())), role, &request)
    }

    fn allowed(policies: &[Policy], permission: &PermissionInfo) -> bool {
        matches!(decide(policies, RoleId::new(), permission, None), Decision::Allow(_))
    }

    #[test]
    fn what_no_policy_allows_is_denied() {
        assert_eq!(decide(&[], RoleId::new(), &READ, None), Decision::Deny(Denied::NoPolicyAllows));
        assert!(!allowed(&[policy(Effect::Allow, "user", "update")], &READ));
        assert!(!allowed(&[policy(Effect::Allow, "billing", "read")], &READ));
    }

    #[test]
    fn a_policy_covers_its_resource_and_verb_and_a_star_covers_all() {
        for (resource, verb) in [("user", "read"), ("user", "*"), ("*", "read"), ("*", "*")] {
            assert!(allowed(&[policy(Effect::Allow, resource, verb)], &READ), "{resource}:{verb}");
        }
        assert!(allowed(&[policy(Effect::Allow, "*", "*")], &PAY));
    }

    #[test]
    fn one_deny_wins_in_any_order() {
        let (allow, deny) = (policy(Effect::Allow, "*", "*"), policy(Effect::Deny, "user", "read"));
        let reason = Decision::Deny(Denied::ByPolicy(deny.id));
        assert_eq!(decide(&[allow.clone(), deny.clone()], RoleId::new(), &READ, None), reason);
        assert_eq!(decide(&[deny.clone(), allow.clone()], RoleId::new(), &READ, None), reason);
        assert!(allowed(&[deny, allow], &PAY));
    }

    #[test]
    fn a_policy_of_another_role_is_not_for_me() {
        let (mine, other) = (RoleId::new(), RoleId::new());
        let of = |role| Policy { role_id: Some(role), ..policy(Effect::Allow, "user", "read") };
        assert!(matches!(decide(&[of(mine)], mine, &READ, None), Decision::Allow(_)));
        assert!(matches!(decide(&[of(other)], mine, &READ, None), Decision::Deny(_)));
    }

    #[test]
    fn a_condition_that_cannot_be_read_never_allows_and_always_denies() {
        let unreadable = |effect| Policy { condition: StoredCondition::Unreadable, ..policy(effect, "user", "read") };
        let everything = policy(Effect::Allow, "*", "*");
        assert!(!allowed(&[unreadable(Effect::Allow)], &READ));
        assert!(!allowed(&[unreadable(Effect::Deny), everything], &READ));
        assert_eq!(StoredCondition::from(Some(json!({"moon": "full"}))), StoredCondition::Unreadable);
    }

    #[test]
    fn a_condition_that_cannot_be_evaluated_never_allows_and_always_denies() {
        let owner =
            |effect| Policy { condition: StoredCondition::When(Condition::Owner {}), ..policy(effect, "user", "read") };
        let everything = policy(Effect::Allow, "*", "*");
        assert!(!allowed(&[owner(Effect::Allow)], &READ));
        assert!(!allowed(&[owner(Effect::Deny), everything.clone()], &READ));

        let (me, other) = (UserId::from_uuid(uuid::Uuid::nil()), UserId::new());
        let asked_of = |policies: &[Policy], owner| decide(policies, RoleId::new(), &READ, Some(owner));
        assert!(matches!(asked_of(&[owner(Effect::Allow)], me), Decision::Allow(_)));
        assert!(matches!(asked_of(&[owner(Effect::Allow)], other), Decision::Deny(_)));
        assert!(matches!(asked_of(&[owner(Effect::Deny), everything], other), Decision::Allow(_)));
    }
}
