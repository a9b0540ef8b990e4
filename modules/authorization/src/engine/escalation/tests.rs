use kernel::PolicyId;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::engine::StoredCondition;

fn role(number: u128) -> RoleId {
    RoleId::from_uuid(Uuid::from_u128(number))
}

fn user(number: u128) -> UserId {
    UserId::from_uuid(Uuid::from_u128(number))
}

const GRANTER: u128 = 1;
const OTHER: u128 = 2;

/// Parses `[[effect, resource, verbs, condition, "every member"], …]`. The last two are optional. Without the last, a
/// policy is for the role.
fn policies(role_id: u128, policies: Value) -> Vec<Policy> {
    let parse = |policy: &Value| {
        let text = |index: usize| policy[index].as_str().unwrap().to_owned();
        let every_member = policy[4] == json!("every member");
        Policy {
            id: PolicyId::new(),
            role_id: (!every_member).then(|| role(role_id)),
            effect: if policy[0] == "allow" { Effect::Allow } else { Effect::Deny },
            resource: text(1),
            verbs: text(2).split(' ').map(Into::into).collect(),
            condition: StoredCondition::from(Some(policy[3].clone()).filter(|condition| !condition.is_null())),
        }
    };
    policies.as_array().unwrap().iter().map(parse).collect()
}

/// Returns the first permission that a granter with the policies `held` may not grant to a subject whose policies change
/// from `before` to `after`.
fn first_escalation(held: Value, before: Value, after: Value) -> Option<String> {
    let (granter, before, after) = (policies(GRANTER, held), policies(OTHER, before), policies(OTHER, after));
    let granter = EffectivePermissions::of(&PreparedPolicies::new(&granter), Some(role(GRANTER)), Some(user(GRANTER)));
    let [before, after] = [&before, &after]
        .map(|policies| EffectivePermissions::of(&PreparedPolicies::new(policies), Some(role(OTHER)), None));
    granter.first_escalation(&before, &after, &HashSet::new()).map(|permission| permission.to_string())
}

#[test]
fn admin_can_grant_anything() {
    let admin = json!([["allow", "*", "*"]]);
    for after in [
        json!([["allow", "*", "*"]]),
        json!([["allow", "user", "read update", {"owner": {}}], ["allow", "billing", "*", {"time": {"from": "08:00", "to": "09:00", "zone": "UTC"}}]]),
        json!([["allow", "*", "read", {"attribute": {"name": "subject.id", "is": user(7)}}]]),
    ] {
        assert_eq!(first_escalation(admin.clone(), json!([]), after), None);
    }
}

#[test]
fn granting_unheld_permission_is_rejected() {
    for (held, after, missing) in [
        (json!([]), json!([["allow", "user", "read"]]), "user:read"),
        (json!([["allow", "user", "read"]]), json!([["allow", "user", "read update"]]), "user:update"),
        (json!([["allow", "user", "read"]]), json!([["allow", "*", "read"]]), "*:read"),
        (json!([["allow", "*", "read"]]), json!([["allow", "user", "*"]]), "user:*"),
        (json!([["allow", "user", "*"], ["allow", "billing", "*"]]), json!([["allow", "*", "*"]]), "*:*"),
        // The granter's own denies count, but only if they overlap with what is granted.
        (json!([["allow", "*", "*"], ["deny", "billing", "*"]]), json!([["allow", "*", "*"]]), "*:*"),
        (json!([["allow", "*", "*"], ["deny", "billing", "*"]]), json!([["allow", "billing", "read"]]), "billing:read"),
        (
            json!([["allow", "*", "*"], ["deny", "*", "*", {"not": {"client_addr": ["10.0.0.0/8"]}}]]),
            json!([["allow", "user", "read"]]),
            "user:read",
        ),
    ] {
        assert_eq!(first_escalation(held.clone(), json!([]), after).as_deref(), Some(missing), "{held}");
    }
    let held = json!([["allow", "*", "*"], ["deny", "billing", "*"]]);
    assert_eq!(first_escalation(held, json!([]), json!([["allow", "user", "*"], ["allow", "tenant", "read"]])), None);
}

#[test]
fn grant_with_granters_denies_is_allowed() {
    let granter = json!([["allow", "*", "*"], ["deny", "billing", "*", {"plan": "free"}]]);
    for (deny, covered) in [
        (json!(["deny", "billing", "*", {"plan": "free"}]), true),
        (json!(["deny", "billing", "*"]), true),
        (json!(["deny", "*", "*"]), true),
        (json!(["deny", "billing", "read", {"plan": "free"}]), false),
        (json!(["deny", "billing", "*", {"plan": "pro"}]), false),
    ] {
        let after = json!([["allow", "*", "*"], deny]);
        assert_eq!(first_escalation(granter.clone(), json!([]), after).is_none(), covered, "{deny}");
    }
}

#[test]
fn conditions_compare_syntactically() {
    let when = |condition: Value| json!([["allow", "user", "read", condition]]);
    let both = json!({"all": [{"owner": {}}, {"plan": "pro"}]});
    for (held, after, covered) in [
        (json!({"owner": {}}), json!({"owner": {}}), true),
        (json!({"owner": {}}), json!(null), false),
        (json!(null), json!({"owner": {}}), true),
        (both.clone(), both.clone(), true),
        // Narrower, but not syntactically equal.
        (json!({"owner": {}}), both.clone(), false),
        (json!({"all": [{"plan": "pro"}, {"owner": {}}]}), both, false),
        // A single part is equivalent to the part itself, an empty "all" to no condition, an empty "any" to false.
        (json!({"all": [{"owner": {}}]}), json!({"owner": {}}), true),
        (json!({"all": []}), json!({"owner": {}}), true),
        (json!({"any": []}), json!({"any": [{"owner": {}}, {"any": []}]}), false),
        (json!({"owner": {}}), json!({"any": []}), true),
        // An allow with an invalid condition isn't held, and grants nothing.
        (json!({"unknown": "x"}), json!({"owner": {}}), false),
        (json!({"owner": {}}), json!({"unknown": "x"}), true),
    ] {
        assert_eq!(
            first_escalation(when(held.clone()), json!([]), when(after.clone())).is_none(),
            covered,
            "{held} {after}"
        );
    }
}

#[test]
fn known_subject_attributes_are_substituted() {
    let as_role = |number| json!({"attribute": {"name": "subject.role", "is": role(number)}});
    let as_user = |number| json!({"attribute": {"name": "subject.id", "one_of": [user(number)]}});
    let when = |condition: Value| json!([["allow", "billing", "*", condition, "every member"]]);
    for (held, after, covered) in [
        // A condition on the role is equivalent to a policy for that role.
        (as_role(OTHER), as_role(OTHER), false),
        (as_role(GRANTER), as_role(OTHER), true),
        (as_role(GRANTER), json!(null), true),
        (json!({"not": as_role(GRANTER)}), json!({"not": as_role(GRANTER)}), false),
        (json!({"all": [as_role(GRANTER), {"owner": {}}]}), json!({"owner": {}}), true),
        // The granter's user id is known, so a condition on another user is false, even if the same one is granted.
        (as_user(7), as_user(7), false),
        (as_user(GRANTER), as_user(7), true),
        (json!({"any": [as_user(7), {"owner": {}}]}), json!({"owner": {}}), true),
    ] {
        assert_eq!(
            first_escalation(when(held.clone()), json!([]), when(after.clone())).is_none(),
            covered,
            "{held} {after}"
        );
    }
}

#[test]
fn already_held_permission_is_not_a_gain() {
    let nothing = json!([]);
    let some = json!([["allow", "user", "read", {"owner": {}}], ["allow", "billing", "*"], ["deny", "billing", "pay"]]);
    assert_eq!(first_escalation(nothing.clone(), some.clone(), some.clone()), None);
    assert_eq!(
        first_escalation(nothing.clone(), some.clone(), json!([["allow", "billing", "read", {"plan": "pro"}]])),
        None
    );
    assert_eq!(first_escalation(nothing.clone(), some.clone(), json!([])), None);
    assert_eq!(first_escalation(nothing, some, json!([["allow", "user", "read"]])).as_deref(), Some("user:read"));
}

#[test]
fn weakening_a_deny_counts_as_grant() {
    let before = json!([["allow", "*", "*"], ["deny", "billing", "read pay"]]);
    for (after, missing) in [
        (json!([["allow", "*", "*"]]), Some("billing:read")),
        (json!([["allow", "*", "*"], ["deny", "billing", "read"]]), Some("billing:pay")),
        (json!([["allow", "*", "*"], ["deny", "billing", "read pay", {"plan": "free"}]]), Some("billing:read")),
        (json!([["allow", "*", "*"], ["deny", "billing", "*"]]), None),
        (json!([["allow", "*", "*"], ["deny", "*", "*"]]), None),
        // A permission that isn't allowed needs no deny.
        (json!([["allow", "user", "*"]]), None),
    ] {
        assert_eq!(first_escalation(json!([]), before.clone(), after.clone()).as_deref(), missing, "{after}");
        // Holding what was denied is sufficient.
        let finance = json!([["allow", "billing", "*"]]);
        assert_eq!(first_escalation(finance, before.clone(), after.clone()), None, "{after}");
        // A granter who is denied it as well doesn't hold it.
        let denied = json!([["allow", "*", "*"], ["deny", "billing", "*"]]);
        assert_eq!(first_escalation(denied, before.clone(), after.clone()).as_deref(), missing, "{after}");
    }
}

#[test]
fn replacing_invalid_deny_counts_as_grant() {
    let invalid = policies(OTHER, json!([["allow", "user", "read"], ["deny", "user", "*", {"unknown": "x"}]]));
    let fixed = policies(OTHER, json!([["allow", "user", "read"], ["deny", "user", "*", {"plan": "free"}]]));
    let (no_permissions, permissions) = (EffectivePermissions::default(), |policies| {
        EffectivePermissions::of(&PreparedPolicies::new(policies), Some(role(OTHER)), None)
    });
    assert_eq!(no_permissions.first_escalation(&permissions(&invalid), &permissions(&invalid), &HashSet::new()), None);
    assert!(no_permissions.first_escalation(&permissions(&invalid), &permissions(&fixed), &HashSet::new()).is_some());
}

#[test]
fn full_admin_has_no_conditions_or_denies() {
    for (json, full_admin) in [
        (json!([["allow", "*", "*"]]), true),
        (json!([["allow", "*", "*", null, "every member"]]), true),
        (
            json!([["allow", "*", "*", {"attribute": {"name": "subject.role", "is": role(GRANTER)}}, "every member"]]),
            true,
        ),
        (
            json!([["allow", "*", "*"], ["deny", "user", "*", {"attribute": {"name": "subject.role", "is": role(OTHER)}}]]),
            true,
        ),
        (json!([["allow", "*", "*", {"owner": {}}]]), false),
        (json!([["allow", "*", "*", {"attribute": {"name": "subject.id", "is": user(GRANTER)}}]]), false),
        (json!([["allow", "*", "read"], ["allow", "*", "*", {"plan": "pro"}]]), false),
        (json!([["allow", "*", "*"], ["deny", "user", "read", {"unknown": "x"}]]), false),
        (json!([]), false),
    ] {
        let policies = policies(GRANTER, json.clone());
        assert_eq!(PreparedPolicies::new(&policies).is_full_admin(role(GRANTER)), full_admin, "{json}");
    }
}

#[test]
fn inviting_into_role_with_unheld_permission_is_rejected() {
    let may = |held: Value, granted: Value| {
        let inviting = policies(GRANTER, json!([["allow", "member", "invite"]]));
        let all = [inviting, policies(GRANTER, held), policies(OTHER, granted)].concat();
        may_invite_to_role(&all, (user(GRANTER), role(GRANTER)), (user(OTHER), role(OTHER)))
    };
    let everything = json!([["allow", "*", "*"]]);
    assert!(may(everything.clone(), everything.clone()));
    assert!(may(json!([["allow", "user", "*"]]), json!([["allow", "user", "read"]])));
    assert!(!may(json!([["allow", "user", "read"]]), json!([["allow", "user", "*"]])));
    assert!(!may(json!([["allow", "*", "*"], ["deny", "billing", "*"]]), everything.clone()));
    // A condition on the user id is evaluated for the invitee.
    let for_invitee = json!([["allow", "billing", "read", {"attribute": {"name": "subject.id", "is": user(OTHER)}}]]);
    let for_other_user = json!([["allow", "billing", "read", {"attribute": {"name": "subject.id", "is": user(7)}}]]);
    assert!(!may(json!([["allow", "user", "read"]]), for_invitee));
    assert!(may(json!([["allow", "user", "read"]]), for_other_user));
}

#[test]
fn inviter_must_still_hold_invite_permission() {
    let address = json!({"client_addr": ["10.0.0.0/8"]});
    for (held, may) in [
        (json!([["allow", "user", "read"], ["allow", "member", "invite"]]), true),
        (json!([["allow", "user", "read"], ["allow", "*", "invite", address]]), true),
        (json!([["allow", "user", "read"], ["allow", "member", "*"], ["deny", "member", "*", address]]), true),
        (json!([["allow", "user", "read"], ["allow", "member", "*"], ["deny", "*", "invite"]]), false),
        (json!([["allow", "user", "read"], ["allow", "member", "update"]]), false),
        (json!([["allow", "user", "read"]]), false),
    ] {
        let all = [policies(GRANTER, held.clone()), policies(OTHER, json!([["allow", "user", "read"]]))].concat();
        let permitted = may_invite_to_role(&all, (user(GRANTER), role(GRANTER)), (user(OTHER), role(OTHER)));
        assert_eq!(permitted, may, "{held}");
    }
}
