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

fn subject(number: u128) -> Subject {
    Subject { role: role(number), user: Some(user(number)) }
}

/// The number of the caller and of the caller's role.
const CALLER: u128 = 1;
/// The number of the subject and of the subject's role.
const SUBJECT: u128 = 2;

/// Parses `[[effect, resource, verbs, condition, "tenant-wide"], …]`. The last two are optional. Without the last, a
/// policy is for the role.
fn policies(role_id: u128, policies: Value) -> Vec<Policy> {
    let parse = |policy: &Value| {
        let text = |index: usize| policy[index].as_str().unwrap().to_owned();
        let tenant_wide = policy[4] == json!("tenant-wide");
        Policy {
            id: PolicyId::new(),
            role_id: (!tenant_wide).then(|| role(role_id)),
            effect: if policy[0] == "allow" { Effect::Allow } else { Effect::Deny },
            resource: text(1),
            verbs: text(2).split(' ').map(Into::into).collect(),
            condition: StoredCondition::from(Some(policy[3].clone()).filter(|condition| !condition.is_null())),
        }
    };
    policies.as_array().unwrap().iter().map(parse).collect()
}

/// Returns the first permission that the caller may not grant to a subject whose policies change from `before` to `after`.
fn first_escalation(caller: Value, before: Value, after: Value) -> Option<String> {
    let (caller, before, after) = (policies(CALLER, caller), policies(SUBJECT, before), policies(SUBJECT, after));
    let prepared = PreparedPolicies::new(&caller);
    let caller = EffectivePermissions::for_subject(&prepared, Some(role(CALLER)), Some(user(CALLER)));
    let [before, after] = [&before, &after]
        .map(|policies| EffectivePermissions::for_subject(&PreparedPolicies::new(policies), Some(role(SUBJECT)), None));
    caller.first_escalation(&before, &after, &HashSet::new()).map(|permission| permission.to_string())
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
fn granting_missing_permission_is_rejected() {
    for (caller, after, missing) in [
        (json!([]), json!([["allow", "user", "read"]]), "user:read"),
        (json!([["allow", "user", "read"]]), json!([["allow", "user", "read update"]]), "user:update"),
        (json!([["allow", "user", "read"]]), json!([["allow", "*", "read"]]), "*:read"),
        (json!([["allow", "*", "read"]]), json!([["allow", "user", "*"]]), "user:*"),
        (json!([["allow", "user", "*"], ["allow", "billing", "*"]]), json!([["allow", "*", "*"]]), "*:*"),
        // The caller's denies count, but only if they overlap with what is granted.
        (json!([["allow", "*", "*"], ["deny", "billing", "*"]]), json!([["allow", "*", "*"]]), "*:*"),
        (json!([["allow", "*", "*"], ["deny", "billing", "*"]]), json!([["allow", "billing", "read"]]), "billing:read"),
        (
            json!([["allow", "*", "*"], ["deny", "*", "*", {"not": {"client_addr": ["10.0.0.0/8"]}}]]),
            json!([["allow", "user", "read"]]),
            "user:read",
        ),
    ] {
        assert_eq!(first_escalation(caller.clone(), json!([]), after).as_deref(), Some(missing), "{caller}");
    }
    let caller = json!([["allow", "*", "*"], ["deny", "billing", "*"]]);
    assert_eq!(first_escalation(caller, json!([]), json!([["allow", "user", "*"], ["allow", "tenant", "read"]])), None);
}

#[test]
fn grant_must_keep_callers_denies() {
    let caller = json!([["allow", "*", "*"], ["deny", "billing", "*", {"plan": "free"}]]);
    for (deny, covered) in [
        (json!(["deny", "billing", "*", {"plan": "free"}]), true),
        (json!(["deny", "billing", "*"]), true),
        (json!(["deny", "*", "*"]), true),
        (json!(["deny", "billing", "read", {"plan": "free"}]), false),
        (json!(["deny", "billing", "*", {"plan": "pro"}]), false),
    ] {
        let after = json!([["allow", "*", "*"], deny]);
        assert_eq!(first_escalation(caller.clone(), json!([]), after).is_none(), covered, "{deny}");
    }
}

#[test]
fn conditions_compare_syntactically() {
    let when = |condition: Value| json!([["allow", "user", "read", condition]]);
    let both = json!({"all": [{"owner": {}}, {"plan": "pro"}]});
    for (caller, after, covered) in [
        (json!({"owner": {}}), json!({"owner": {}}), true),
        (json!({"owner": {}}), json!(null), false),
        (json!(null), json!({"owner": {}}), true),
        (both.clone(), both.clone(), true),
        // Narrower, but not syntactically equal.
        (json!({"owner": {}}), both.clone(), false),
        (json!({"all": [{"plan": "pro"}, {"owner": {}}]}), both, false),
        // A single part is equivalent to the part itself.
        (json!({"all": [{"owner": {}}]}), json!({"owner": {}}), true),
        // An empty "all" is equivalent to no condition.
        (json!({"all": []}), json!({"owner": {}}), true),
        // An empty "any" is equivalent to false.
        (json!({"any": []}), json!({"any": [{"owner": {}}, {"any": []}]}), false),
        (json!({"owner": {}}), json!({"any": []}), true),
        // An allow with an invalid condition covers nothing, and grants nothing.
        (json!({"unknown": "x"}), json!({"owner": {}}), false),
        (json!({"owner": {}}), json!({"unknown": "x"}), true),
    ] {
        assert_eq!(
            first_escalation(when(caller.clone()), json!([]), when(after.clone())).is_none(),
            covered,
            "{caller} {after}"
        );
    }
}

#[test]
fn known_subject_attributes_are_substituted() {
    let as_role = |number| json!({"attribute": {"name": "subject.role", "is": role(number)}});
    let as_user = |number| json!({"attribute": {"name": "subject.id", "one_of": [user(number)]}});
    let when = |condition: Value| json!([["allow", "billing", "*", condition, "tenant-wide"]]);
    for (caller, after, covered) in [
        // A condition on the role is equivalent to a policy for that role.
        (as_role(SUBJECT), as_role(SUBJECT), false),
        (as_role(CALLER), as_role(SUBJECT), true),
        (as_role(CALLER), json!(null), true),
        (json!({"not": as_role(CALLER)}), json!({"not": as_role(CALLER)}), false),
        (json!({"all": [as_role(CALLER), {"owner": {}}]}), json!({"owner": {}}), true),
        // The caller's user id is known, so a condition on another user is false, even if the same one is granted.
        (as_user(7), as_user(7), false),
        (as_user(CALLER), as_user(7), true),
        (json!({"any": [as_user(7), {"owner": {}}]}), json!({"owner": {}}), true),
    ] {
        assert_eq!(
            first_escalation(when(caller.clone()), json!([]), when(after.clone())).is_none(),
            covered,
            "{caller} {after}"
        );
    }
}

#[test]
fn existing_permission_is_not_gained() {
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
        // The deny is removed together with the allow.
        (json!([["allow", "user", "*"]]), None),
    ] {
        assert_eq!(first_escalation(json!([]), before.clone(), after.clone()).as_deref(), missing, "{after}");
        // A caller who has the permission may remove its deny.
        let finance = json!([["allow", "billing", "*"]]);
        assert_eq!(first_escalation(finance, before.clone(), after.clone()), None, "{after}");
        // A caller who is denied it as well doesn't have it.
        let denied = json!([["allow", "*", "*"], ["deny", "billing", "*"]]);
        assert_eq!(first_escalation(denied, before.clone(), after.clone()).as_deref(), missing, "{after}");
    }
}

#[test]
fn replacing_invalid_deny_counts_as_grant() {
    let invalid = policies(SUBJECT, json!([["allow", "user", "read"], ["deny", "user", "*", {"unknown": "x"}]]));
    let fixed = policies(SUBJECT, json!([["allow", "user", "read"], ["deny", "user", "*", {"plan": "free"}]]));
    let no_permissions = EffectivePermissions::default();
    let permissions =
        |policies| EffectivePermissions::for_subject(&PreparedPolicies::new(policies), Some(role(SUBJECT)), None);
    assert_eq!(no_permissions.first_escalation(&permissions(&invalid), &permissions(&invalid), &HashSet::new()), None);
    assert!(no_permissions.first_escalation(&permissions(&invalid), &permissions(&fixed), &HashSet::new()).is_some());
}

#[test]
fn admin_role_requires_unconditional_access() {
    for (json, is_admin) in [
        (json!([["allow", "*", "*"]]), true),
        (json!([["allow", "*", "*", null, "tenant-wide"]]), true),
        (
            json!([["allow", "*", "*", {"attribute": {"name": "subject.role", "is": role(CALLER)}}, "tenant-wide"]]),
            true,
        ),
        (
            json!([["allow", "*", "*"], ["deny", "user", "*", {"attribute": {"name": "subject.role", "is": role(SUBJECT)}}]]),
            true,
        ),
        (json!([["allow", "*", "*", {"owner": {}}]]), false),
        (json!([["allow", "*", "*", {"attribute": {"name": "subject.id", "is": user(CALLER)}}]]), false),
        (json!([["allow", "*", "read"], ["allow", "*", "*", {"plan": "pro"}]]), false),
        (json!([["allow", "*", "*"], ["deny", "user", "read", {"unknown": "x"}]]), false),
        (json!([]), false),
    ] {
        let policies = policies(CALLER, json.clone());
        assert_eq!(PreparedPolicies::new(&policies).is_admin_role(role(CALLER)), is_admin, "{json}");
    }
}

#[test]
fn invitation_cannot_escalate() {
    let may = |caller: Value, granted: Value| {
        let inviting = policies(CALLER, json!([["allow", "member", "invite"]]));
        let all = [inviting, policies(CALLER, caller), policies(SUBJECT, granted)].concat();
        may_invite_into_role(&all, subject(CALLER), subject(SUBJECT))
    };
    let everything = json!([["allow", "*", "*"]]);
    assert!(may(everything.clone(), everything.clone()));
    assert!(may(json!([["allow", "user", "*"]]), json!([["allow", "user", "read"]])));
    assert!(!may(json!([["allow", "user", "read"]]), json!([["allow", "user", "*"]])));
    assert!(!may(json!([["allow", "*", "*"], ["deny", "billing", "*"]]), everything.clone()));
    // A condition on the user id is evaluated for the invitee.
    let for_invitee = json!([["allow", "billing", "read", {"attribute": {"name": "subject.id", "is": user(SUBJECT)}}]]);
    let for_other_user = json!([["allow", "billing", "read", {"attribute": {"name": "subject.id", "is": user(7)}}]]);
    assert!(!may(json!([["allow", "user", "read"]]), for_invitee));
    assert!(may(json!([["allow", "user", "read"]]), for_other_user));
}

#[test]
fn inviter_must_still_have_invite_permission() {
    let address = json!({"client_addr": ["10.0.0.0/8"]});
    for (caller, may) in [
        (json!([["allow", "user", "read"], ["allow", "member", "invite"]]), true),
        (json!([["allow", "user", "read"], ["allow", "*", "invite", address]]), true),
        (json!([["allow", "user", "read"], ["allow", "member", "*"], ["deny", "member", "*", address]]), true),
        (json!([["allow", "user", "read"], ["allow", "member", "*"], ["deny", "*", "invite"]]), false),
        (json!([["allow", "user", "read"], ["allow", "member", "update"]]), false),
        (json!([["allow", "user", "read"]]), false),
    ] {
        let all = [policies(CALLER, caller.clone()), policies(SUBJECT, json!([["allow", "user", "read"]]))].concat();
        let permitted = may_invite_into_role(&all, subject(CALLER), subject(SUBJECT));
        assert_eq!(permitted, may, "{caller}");
    }
}
