use kernel::contracts::PolicyId;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::domain::StoredCondition;

fn role(number: u128) -> RoleId {
    RoleId::from_uuid(Uuid::from_u128(number))
}

fn user(number: u128) -> UserId {
    UserId::from_uuid(Uuid::from_u128(number))
}

const ACTOR: u128 = 1;
const OTHER: u128 = 2;

/// `[["allow", "user", "read"], …]`, each for the role unless another is given, with a condition as the fourth.
fn policies(role_id: u128, rules: Value) -> Vec<Policy> {
    let rule = |rule: &Value| {
        let text = |index: usize| rule[index].as_str().unwrap().to_owned();
        let everybody = rule[4] == json!("every member");
        Policy {
            id: PolicyId::new(),
            role_id: (!everybody).then(|| role(role_id)),
            effect: if rule[0] == "allow" { Effect::Allow } else { Effect::Deny },
            resource: text(1),
            verbs: text(2).split(' ').map(Into::into).collect(),
            condition: StoredCondition::from(Some(rule[3].clone()).filter(|condition| !condition.is_null())),
        }
    };
    rules.as_array().unwrap().iter().map(rule).collect()
}

/// What an actor with `holds` may not grant to somebody who goes from `from` to `to`.
fn first_escalation(holds: Value, from: Value, to: Value) -> Option<String> {
    let (actor, from, to) = (policies(ACTOR, holds), policies(OTHER, from), policies(OTHER, to));
    let actor = EffectivePermissions::of(&actor, Some(role(ACTOR)), Some(user(ACTOR)));
    let [from, to] = [&from, &to].map(|policies| EffectivePermissions::of(policies, Some(role(OTHER)), None));
    actor.first_escalation(&from, &to, &HashSet::new()).map(|what| what.to_string())
}

#[test]
fn admin_can_grant_anything() {
    let admin = json!([["allow", "*", "*"]]);
    for to in [
        json!([["allow", "*", "*"]]),
        json!([["allow", "user", "read update", {"owner": {}}], ["allow", "billing", "*", {"time": {"from": "08:00", "to": "09:00", "zone": "UTC"}}]]),
        json!([["allow", "*", "read", {"attribute": {"name": "subject.id", "is": user(7)}}]]),
    ] {
        assert_eq!(first_escalation(admin.clone(), json!([]), to), None);
    }
}

#[test]
fn granting_unheld_permission_is_rejected() {
    for (holds, to, lacks) in [
        (json!([]), json!([["allow", "user", "read"]]), "user:read"),
        (json!([["allow", "user", "read"]]), json!([["allow", "user", "read update"]]), "user:update"),
        (json!([["allow", "user", "read"]]), json!([["allow", "*", "read"]]), "*:read"),
        (json!([["allow", "*", "read"]]), json!([["allow", "user", "*"]]), "user:*"),
        (json!([["allow", "user", "*"], ["allow", "billing", "*"]]), json!([["allow", "*", "*"]]), "*:*"),
        // Their own denies count, and only where they meet what is granted.
        (json!([["allow", "*", "*"], ["deny", "billing", "*"]]), json!([["allow", "*", "*"]]), "*:*"),
        (json!([["allow", "*", "*"], ["deny", "billing", "*"]]), json!([["allow", "billing", "read"]]), "billing:read"),
        (
            json!([["allow", "*", "*"], ["deny", "*", "*", {"not": {"client_addr": ["10.0.0.0/8"]}}]]),
            json!([["allow", "user", "read"]]),
            "user:read",
        ),
    ] {
        assert_eq!(first_escalation(holds.clone(), json!([]), to).as_deref(), Some(lacks), "{holds}");
    }
    let most = json!([["allow", "*", "*"], ["deny", "billing", "*"]]);
    assert_eq!(first_escalation(most, json!([]), json!([["allow", "user", "*"], ["allow", "tenant", "read"]])), None);
}

#[test]
fn grant_carrying_granters_denies_is_allowed() {
    let actor = json!([["allow", "*", "*"], ["deny", "billing", "*", {"plan": "free"}]]);
    for (deny, held) in [
        (json!(["deny", "billing", "*", {"plan": "free"}]), true),
        (json!(["deny", "billing", "*"]), true),
        (json!(["deny", "*", "*"]), true),
        (json!(["deny", "billing", "read", {"plan": "free"}]), false),
        (json!(["deny", "billing", "*", {"plan": "pro"}]), false),
    ] {
        let to = json!([["allow", "*", "*"], deny]);
        assert_eq!(first_escalation(actor.clone(), json!([]), to).is_none(), held, "{deny}");
    }
}

#[test]
fn conditions_compare_syntactically() {
    let when = |condition: Value| json!([["allow", "user", "read", condition]]);
    let both = json!({"all": [{"owner": {}}, {"plan": "pro"}]});
    for (holds, to, held) in [
        (json!({"owner": {}}), json!({"owner": {}}), true),
        (json!({"owner": {}}), json!(null), false),
        (json!(null), json!({"owner": {}}), true),
        (both.clone(), both.clone(), true),
        // Narrower, but nobody looks into it.
        (json!({"owner": {}}), both.clone(), false),
        (json!({"all": [{"plan": "pro"}, {"owner": {}}]}), both, false),
        // One part is that part, none of "all" is always, none of "any" never.
        (json!({"all": [{"owner": {}}]}), json!({"owner": {}}), true),
        (json!({"all": []}), json!({"owner": {}}), true),
        (json!({"any": []}), json!({"any": [{"owner": {}}, {"any": []}]}), false),
        (json!({"owner": {}}), json!({"any": []}), true),
        // What nobody can read isn't held, and isn't granted either.
        (json!({"moon": "full"}), json!({"owner": {}}), false),
        (json!({"owner": {}}), json!({"moon": "full"}), true),
    ] {
        assert_eq!(first_escalation(when(holds.clone()), json!([]), when(to.clone())).is_none(), held, "{holds} {to}");
    }
}

#[test]
fn known_subject_attributes_are_substituted() {
    let as_role = |number| json!({"attribute": {"name": "subject.role", "is": role(number)}});
    let as_user = |number| json!({"attribute": {"name": "subject.id", "one_of": [user(number)]}});
    let when = |condition: Value| json!([["allow", "billing", "*", condition, "every member"]]);
    for (holds, to, held) in [
        // It makes no difference to put the role into the condition.
        (as_role(OTHER), as_role(OTHER), false),
        (as_role(ACTOR), as_role(OTHER), true),
        (as_role(ACTOR), json!(null), true),
        (json!({"not": as_role(ACTOR)}), json!({"not": as_role(ACTOR)}), false),
        (json!({"all": [as_role(ACTOR), {"owner": {}}]}), json!({"owner": {}}), true),
        // Nor the person: the same words mean somebody else.
        (as_user(7), as_user(7), false),
        (as_user(ACTOR), as_user(7), true),
        (json!({"any": [as_user(7), {"owner": {}}]}), json!({"owner": {}}), true),
    ] {
        assert_eq!(first_escalation(when(holds.clone()), json!([]), when(to.clone())).is_none(), held, "{holds} {to}");
    }
}

#[test]
fn already_held_permission_is_not_a_gain() {
    let nothing = json!([]);
    let some = json!([["allow", "user", "read", {"owner": {}}], ["allow", "billing", "*"], ["deny", "billing", "pay"]]);
    assert_eq!(first_escalation(nothing.clone(), some.clone(), some.clone()), None);
    assert_eq!(first_escalation(nothing.clone(), some.clone(), json!([["allow", "billing", "read", {"plan": "pro"}]])), None);
    assert_eq!(first_escalation(nothing.clone(), some.clone(), json!([])), None);
    assert_eq!(first_escalation(nothing, some, json!([["allow", "user", "read"]])).as_deref(), Some("user:read"));
}

#[test]
fn weakening_a_deny_counts_as_grant() {
    let before = json!([["allow", "*", "*"], ["deny", "billing", "read pay"]]);
    for (after, lacks) in [
        (json!([["allow", "*", "*"]]), Some("billing:read")),
        (json!([["allow", "*", "*"], ["deny", "billing", "read"]]), Some("billing:pay")),
        (json!([["allow", "*", "*"], ["deny", "billing", "read pay", {"plan": "free"}]]), Some("billing:read")),
        (json!([["allow", "*", "*"], ["deny", "billing", "*"]]), None),
        (json!([["allow", "*", "*"], ["deny", "*", "*"]]), None),
        // What isn't allowed needn't be denied.
        (json!([["allow", "user", "*"]]), None),
    ] {
        assert_eq!(first_escalation(json!([]), before.clone(), after.clone()).as_deref(), lacks, "{after}");
        // It takes what was denied, and no more than that.
        let finance = json!([["allow", "billing", "*"]]);
        assert_eq!(first_escalation(finance, before.clone(), after.clone()), None, "{after}");
        // Whoever is denied it as well doesn't hold it.
        let denied = json!([["allow", "*", "*"], ["deny", "billing", "*"]]);
        assert_eq!(first_escalation(denied, before.clone(), after.clone()).as_deref(), lacks, "{after}");
    }
}

#[test]
fn invalid_deny_can_be_kept_or_removed() {
    let unreadable = policies(OTHER, json!([["allow", "user", "read"], ["deny", "user", "*", {"moon": "full"}]]));
    let fixed = policies(OTHER, json!([["allow", "user", "read"], ["deny", "user", "*", {"plan": "free"}]]));
    let (no_permissions, permissions) =
        (EffectivePermissions::of(&[], None, None), |policies| EffectivePermissions::of(policies, Some(role(OTHER)), None));
    assert_eq!(no_permissions.first_escalation(&permissions(&unreadable), &permissions(&unreadable), &HashSet::new()), None);
    assert!(no_permissions.first_escalation(&permissions(&unreadable), &permissions(&fixed), &HashSet::new()).is_some());
}

#[test]
fn full_admin_has_no_conditions_or_denies() {
    for (rules, everything) in [
        (json!([["allow", "*", "*"]]), true),
        (json!([["allow", "*", "*", null, "every member"]]), true),
        (
            json!([["allow", "*", "*", {"attribute": {"name": "subject.role", "is": role(ACTOR)}}, "every member"]]),
            true,
        ),
        (
            json!([["allow", "*", "*"], ["deny", "user", "*", {"attribute": {"name": "subject.role", "is": role(OTHER)}}]]),
            true,
        ),
        (json!([["allow", "*", "*", {"owner": {}}]]), false),
        (json!([["allow", "*", "*", {"attribute": {"name": "subject.id", "is": user(ACTOR)}}]]), false),
        (json!([["allow", "*", "read"], ["allow", "*", "*", {"plan": "pro"}]]), false),
        (json!([["allow", "*", "*"], ["deny", "user", "read", {"moon": "full"}]]), false),
        (json!([]), false),
    ] {
        let policies = policies(ACTOR, rules.clone());
        assert_eq!(EffectivePermissions::of(&policies, Some(role(ACTOR)), None).is_full_admin(), everything, "{rules}");
    }
}

#[test]
fn inviting_into_unheld_role_is_rejected() {
    let may = |holds: Value, given: Value| {
        let inviting = policies(ACTOR, json!([["allow", "member", "invite"]]));
        let all = [inviting, policies(ACTOR, holds), policies(OTHER, given)].concat();
        may_invite_into(&all, (user(ACTOR), role(ACTOR)), (user(OTHER), role(OTHER)))
    };
    let everything = json!([["allow", "*", "*"]]);
    assert!(may(everything.clone(), everything.clone()));
    assert!(may(json!([["allow", "user", "*"]]), json!([["allow", "user", "read"]])));
    assert!(!may(json!([["allow", "user", "read"]]), json!([["allow", "user", "*"]])));
    assert!(!may(json!([["allow", "*", "*"], ["deny", "billing", "*"]]), everything.clone()));
    // What is meant for this person alone is asked of this person.
    let for_them = json!([["allow", "billing", "read", {"attribute": {"name": "subject.id", "is": user(OTHER)}}]]);
    let for_another = json!([["allow", "billing", "read", {"attribute": {"name": "subject.id", "is": user(7)}}]]);
    assert!(!may(json!([["allow", "user", "read"]]), for_them));
    assert!(may(json!([["allow", "user", "read"]]), for_another));
}

#[test]
fn inviter_must_still_hold_invite_permission() {
    let address = json!({"client_addr": ["10.0.0.0/8"]});
    for (rules, may) in [
        (json!([["allow", "user", "read"], ["allow", "member", "invite"]]), true),
        (json!([["allow", "user", "read"], ["allow", "*", "invite", address]]), true),
        (json!([["allow", "user", "read"], ["allow", "member", "*"], ["deny", "member", "*", address]]), true),
        (json!([["allow", "user", "read"], ["allow", "member", "*"], ["deny", "*", "invite"]]), false),
        (json!([["allow", "user", "read"], ["allow", "member", "update"]]), false),
        (json!([["allow", "user", "read"]]), false),
    ] {
        let all = [policies(ACTOR, rules.clone()), policies(OTHER, json!([["allow", "user", "read"]]))].concat();
        let given = may_invite_into(&all, (user(ACTOR), role(ACTOR)), (user(OTHER), role(OTHER)));
        assert_eq!(given, may, "{rules}");
    }
}
