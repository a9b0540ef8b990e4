use kernel::{Environment, PermissionInfo, PolicyId, ResourceAttributes, Truth, UserId};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{super::StoredCondition, *};

const READ: PermissionInfo = PermissionInfo { name: "user:read", resource: "user", verb: "read", about: "" };
const PAY: PermissionInfo = PermissionInfo { name: "billing:pay", resource: "billing", verb: "pay", about: "" };
const ME: UserId = UserId::from_uuid(Uuid::nil());

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

fn when(condition: Value, policy: Policy) -> Policy {
    Policy { condition: StoredCondition::from(Some(condition)), ..policy }
}

fn numbered(number: u128, policy: Policy) -> Policy {
    Policy { id: PolicyId::from_uuid(Uuid::from_u128(number)), ..policy }
}

fn compiled(policies: &[Policy]) -> CompiledPolicies {
    CompiledPolicies::new(PolicyVersion::for_test(1), policies, &TenantAttributes::for_test())
}

fn explain(policies: &[Policy], role: RoleId, permission: &PermissionInfo, owner: Option<UserId>) -> Explanation {
    let set = compiled(policies);
    let environment = Environment { now: time::OffsetDateTime::UNIX_EPOCH, client_addr: None };
    let resource = owner.map(|owner| ResourceAttributes { owner: Some(owner) });
    let request = AccessRequest { permission, resource: resource.as_ref(), environment: &environment };
    let explanation = set.explain(Principal::User(ME), role, &request);
    assert_eq!(explanation.decision, set.decide(Principal::User(ME), role, &request));
    explanation
}

fn decide(policies: &[Policy], role: RoleId, permission: &PermissionInfo, owner: Option<UserId>) -> Decision {
    explain(policies, role, permission, owner).decision
}

fn allowed(policies: &[Policy], permission: &PermissionInfo) -> bool {
    matches!(decide(policies, RoleId::new(), permission, None), Decision::Allow(_))
}

#[test]
fn default_is_deny() {
    assert_eq!(decide(&[], RoleId::new(), &READ, None), Decision::Deny(DenyReason::NoPolicyAllows));
    assert!(!allowed(&[policy(Effect::Allow, "user", "update")], &READ));
    assert!(!allowed(&[policy(Effect::Allow, "billing", "read")], &READ));
}

#[test]
fn policy_matches_resource_verb_and_wildcard() {
    for (resource, verb) in [("user", "read"), ("user", "*"), ("*", "read"), ("*", "*")] {
        assert!(allowed(&[policy(Effect::Allow, resource, verb)], &READ), "{resource}:{verb}");
    }
    assert!(allowed(&[policy(Effect::Allow, "*", "*")], &PAY));
}

#[test]
fn policy_matches_each_verb() {
    let verbs = |verbs: &[&str]| Policy {
        verbs: verbs.iter().map(|verb| (*verb).into()).collect(),
        ..policy(Effect::Allow, "user", "")
    };
    assert!(allowed(&[verbs(&["update", "read"])], &READ));
    assert!(allowed(&[verbs(&["update", "*", "read"])], &READ));
    assert!(!allowed(&[verbs(&["update", "invite"])], &READ));
    assert!(!allowed(&[verbs(&[])], &READ));
}

#[test]
fn deny_overrides_in_any_order() {
    let (allow, deny) = (policy(Effect::Allow, "*", "*"), policy(Effect::Deny, "user", "read"));
    let reason = Decision::Deny(DenyReason::ByPolicy(deny.id));
    assert_eq!(decide(&[allow.clone(), deny.clone()], RoleId::new(), &READ, None), reason);
    assert_eq!(decide(&[deny.clone(), allow.clone()], RoleId::new(), &READ, None), reason);
    assert!(allowed(&[deny, allow], &PAY));
}

#[test]
fn other_roles_policies_do_not_apply() {
    let (mine, other) = (RoleId::new(), RoleId::new());
    let of = |role| Policy { role_id: Some(role), ..policy(Effect::Allow, "user", "read") };
    assert!(matches!(decide(&[of(mine)], mine, &READ, None), Decision::Allow(_)));
    assert!(matches!(decide(&[of(other)], mine, &READ, None), Decision::Deny(_)));
}

#[test]
fn deny_overrides_across_tenant_and_role_policies() {
    let role = RoleId::new();
    let of_role = |effect| Policy { role_id: Some(role), ..policy(effect, "*", "*") };
    for [one, other] in [
        [of_role(Effect::Allow), policy(Effect::Deny, "user", "read")],
        [of_role(Effect::Deny), policy(Effect::Allow, "user", "read")],
    ] {
        assert!(matches!(decide(&[one, other], role, &READ, None), Decision::Deny(DenyReason::ByPolicy(_))));
    }
}

#[test]
fn invalid_condition_fails_closed() {
    let invalid = |effect| when(json!({"unknown": "x"}), policy(effect, "user", "read"));
    let everything = policy(Effect::Allow, "*", "*");
    assert!(!allowed(&[invalid(Effect::Allow)], &READ));
    assert!(!allowed(&[invalid(Effect::Deny), everything], &READ));
}

#[test]
fn indeterminate_condition_fails_closed() {
    let owner = |effect| when(json!({"owner": {}}), policy(effect, "user", "read"));
    let everything = policy(Effect::Allow, "*", "*");
    assert!(!allowed(&[owner(Effect::Allow)], &READ));
    assert!(!allowed(&[owner(Effect::Deny), everything.clone()], &READ));

    let decide_for_owner = |policies: &[Policy], owner| decide(policies, RoleId::new(), &READ, Some(owner));
    assert!(matches!(decide_for_owner(&[owner(Effect::Allow)], ME), Decision::Allow(_)));
    assert!(matches!(decide_for_owner(&[owner(Effect::Allow)], UserId::new()), Decision::Deny(_)));
    assert!(matches!(decide_for_owner(&[owner(Effect::Deny), everything], UserId::new()), Decision::Allow(_)));
}

#[test]
fn reason_prefers_unconditional_then_lowest_id() {
    let allow = || policy(Effect::Allow, "user", "read");
    let star = || policy(Effect::Allow, "*", "*");
    let reason = |policies: &[Policy]| match decide(policies, RoleId::new(), &READ, None) {
        Decision::Allow(AllowReason::ByPolicy(id)) => id.as_uuid().as_u128(),
        denied @ Decision::Deny(_) => panic!("{denied:?}"),
    };
    assert_eq!(reason(&[numbered(3, allow()), numbered(2, star()), numbered(7, allow())]), 2);
    let conditional = || when(json!({"plan": "pro"}), star());
    assert_eq!(reason(&[numbered(1, conditional()), numbered(2, allow())]), 2);
    assert_eq!(reason(&[numbered(4, conditional()), numbered(3, when(json!({"all": []}), allow()))]), 3);
    assert_eq!(reason(&[numbered(1, when(json!({"plan": "free"}), allow())), numbered(4, conditional())]), 4);
}

/// Returns the pointer, kind and outcome of each part.
fn traces(policy: &PolicyTrace) -> Vec<(&str, &str, Truth)> {
    policy.conditions.iter().map(|trace| (trace.pointer.as_str(), trace.kind, trace.outcome)).collect()
}

#[test]
fn explanation_traces_deciding_policy() {
    let condition = json!({"any": [{"plan": "free"}, {"all": [{"plan": "pro"}, {"not": {"owner": {}}}]}]});
    let policies = [when(condition, policy(Effect::Deny, "user", "*")), policy(Effect::Allow, "*", "*")];
    let explanation = explain(&policies, RoleId::new(), &READ, None);
    let decisive = explanation.policy.unwrap();
    assert_eq!(decisive.id, policies[0].id);
    assert_eq!(
        traces(&decisive),
        [
            ("", "any", Truth::Indeterminate),
            ("/any/0", "plan", Truth::False),
            ("/any/1", "all", Truth::Indeterminate),
            ("/any/1/all/0", "plan", Truth::True),
            ("/any/1/all/1", "not", Truth::Indeterminate),
            ("/any/1/all/1/not", "owner", Truth::Indeterminate),
        ]
    );
    assert_eq!(explanation.unmet, []);
}

#[test]
fn unconditional_policy_has_empty_trace() {
    let allow = policy(Effect::Allow, "user", "read");
    let explanation = explain(std::slice::from_ref(&allow), RoleId::new(), &READ, None);
    assert_eq!(explanation.policy, Some(PolicyTrace { id: allow.id, conditions: vec![] }));
}

#[test]
fn default_deny_explanation_lists_unmet_policies() {
    let allow = |number| {
        let policy = Policy { verbs: vec!["read".into(), "*".into()], ..policy(Effect::Allow, "user", "") };
        numbered(number, when(json!({"plan": "free"}), policy))
    };
    let mut policies: Vec<_> = (1..=7).rev().map(allow).collect();
    policies.push(numbered(0, when(json!({"plan": "free"}), policy(Effect::Deny, "user", "read"))));
    policies.push(numbered(0, when(json!({"plan": "free"}), policy(Effect::Allow, "billing", "read"))));
    let explanation = explain(&policies, RoleId::new(), &READ, None);
    assert_eq!((explanation.decision, explanation.policy), (Decision::Deny(DenyReason::NoPolicyAllows), None));
    let ids: Vec<_> = explanation.unmet.iter().map(|policy| policy.id.as_uuid().as_u128()).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5]);
    assert_eq!(traces(&explanation.unmet[0]), [("", "plan", Truth::False)]);
}

#[test]
fn explanation_locates_invalid_condition() {
    let policies = [when(json!({"all": [{"plan": 1}, {"owner": {}}]}), policy(Effect::Allow, "user", "read"))];
    let explanation = explain(&policies, RoleId::new(), &READ, None);
    assert_eq!(
        traces(&explanation.unmet[0]),
        [("", "invalid", Truth::Indeterminate), ("/all/0/plan", "invalid", Truth::Indeterminate)]
    );
    assert_eq!(
        explanation.unmet[0].conditions[1].detail,
        Some("Expected a string of 1 to 200 bytes without control or invisible characters.")
    );
}
