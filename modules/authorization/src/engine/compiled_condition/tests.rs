use kernel::{TenantId, UserId};
use serde_json::{Value, json};
use time::macros::datetime;

use super::*;

const ME: UserId = UserId::from_uuid(Uuid::from_u128(1));
const ROLE: RoleId = RoleId::from_uuid(Uuid::from_u128(2));
const TENANT: TenantId = TenantId::from_uuid(Uuid::from_u128(3));

fn tenant() -> TenantAttributes {
    TenantAttributes {
        id: TENANT,
        plan: "pro".into(),
        contract_type: "enterprise".into(),
        features: vec!["sso".into()],
        seat_limit: 10,
    }
}

fn evaluate_with_client_addr(
    condition: &Value,
    resource: Option<&ResourceAttributes>,
    client_addr: Option<&str>,
) -> Option<bool> {
    let now = datetime!(2026-06-01 12:00 UTC);
    let environment = Environment { now, client_addr: client_addr.map(|addr| addr.parse().unwrap()) };
    let context = EvalContext { principal: Principal::User(ME), role: ROLE, resource, environment: &environment };
    let condition = Condition::parse(condition).unwrap();
    CompiledCondition::new(&condition, &tenant()).evaluate(&context)
}

fn evaluate(condition: &Value, resource: Option<&ResourceAttributes>) -> Option<bool> {
    evaluate_with_client_addr(condition, resource, None)
}

#[test]
fn features_plans_and_all_any_not_are_evaluated() {
    for (condition, expected) in [
        (json!({"feature": "sso"}), true),
        (json!({"feature": "SSO"}), false),
        (json!({"plan": "pro"}), true),
        (json!({"plan": "free"}), false),
        (json!({"not": {"plan": "free"}}), true),
        (json!({"all": []}), true),
        (json!({"any": []}), false),
        (json!({"all": [{"plan": "pro"}, {"feature": "sso"}]}), true),
        (json!({"any": [{"plan": "free"}, {"feature": "sso"}]}), true),
    ] {
        assert_eq!(evaluate(&condition, None), Some(expected), "{condition}");
    }
}

#[test]
fn attributes_compare_by_type() {
    let (me, other) = (ME.as_uuid(), Uuid::from_u128(9));
    for (comparison, expected) in [
        (json!({"name": "subject.id", "is": me}), true),
        (json!({"name": "subject.id", "is": other}), false),
        (json!({"name": "subject.id", "one_of": [other, me]}), true),
        (json!({"name": "subject.role", "is": ROLE}), true),
        (json!({"name": "subject.role", "one_of": [other]}), false),
        (json!({"name": "tenant.id", "is": TENANT}), true),
        (json!({"name": "tenant.id", "one_of": [other]}), false),
        (json!({"name": "tenant.plan", "is": "pro"}), true),
        (json!({"name": "tenant.plan", "is": "Pro"}), false),
        (json!({"name": "tenant.plan", "one_of": ["free", "pro"]}), true),
        (json!({"name": "tenant.contract_type", "is": "enterprise"}), true),
        (json!({"name": "tenant.contract_type", "is_same_as": "tenant.plan"}), false),
        (json!({"name": "tenant.seat_limit", "is": 10}), true),
        (json!({"name": "tenant.seat_limit", "one_of": [9, 11]}), false),
        (json!({"name": "tenant.seat_limit", "at_least": 10}), true),
        (json!({"name": "tenant.seat_limit", "at_least": 11}), false),
        (json!({"name": "tenant.seat_limit", "at_most": 10}), true),
        (json!({"name": "tenant.seat_limit", "at_most": 9}), false),
        (json!({"name": "tenant.seat_limit", "at_most": i64::MAX}), true),
    ] {
        assert_eq!(evaluate(&json!({"attribute": comparison}), None), Some(expected), "{comparison}");
    }
}

#[test]
fn owner_condition_compares_resource_owner() {
    let owned = |owner| ResourceAttributes { owner: Some(owner) };
    for condition in [
        json!({"owner": {}}),
        json!({"attribute": {"name": "subject.id", "is_same_as": "resource.owner"}}),
        json!({"attribute": {"name": "resource.owner", "is_same_as": "subject.id"}}),
        json!({"attribute": {"name": "resource.owner", "is": ME}}),
    ] {
        assert_eq!(evaluate(&condition, Some(&owned(ME))), Some(true), "{condition}");
        assert_eq!(evaluate(&condition, Some(&owned(UserId::new()))), Some(false), "{condition}");
    }
}

#[test]
fn missing_value_is_indeterminate() {
    let unowned = ResourceAttributes { owner: None };
    for resource in [None, Some(&unowned)] {
        for condition in [
            json!({"owner": {}}),
            json!({"not": {"owner": {}}}),
            json!({"all": [{"plan": "pro"}, {"owner": {}}]}),
            json!({"any": [{"plan": "free"}, {"owner": {}}]}),
            json!({"attribute": {"name": "resource.owner", "is": ME}}),
            json!({"attribute": {"name": "subject.id", "is_same_as": "resource.owner"}}),
            json!({"client_addr": ["0.0.0.0/0", "::/0"]}),
        ] {
            assert_eq!(evaluate(&condition, resource), None, "{condition}");
        }
        assert_eq!(evaluate(&json!({"all": [{"plan": "free"}, {"owner": {}}]}), resource), Some(false));
        assert_eq!(evaluate(&json!({"any": [{"plan": "pro"}, {"owner": {}}]}), resource), Some(true));
    }
}

#[test]
fn ip_range_matches_same_family_only() {
    for (range, addr, expected) in [
        ("10.0.0.0/8", "10.255.0.1", true),
        ("10.0.0.0/8", "11.0.0.0", false),
        ("10.0.0.0/8", "9.255.255.255", false),
        ("192.0.2.7/32", "192.0.2.7", true),
        ("192.0.2.7/32", "192.0.2.8", false),
        ("0.0.0.0/0", "255.255.255.255", true),
        ("0.0.0.0/0", "2001:db8::1", false),
        ("2001:db8::/32", "2001:db8:ffff::1", true),
        ("2001:db8::/32", "2001:db9::1", false),
        ("::1/128", "::1", true),
        ("::/0", "fe80::1", true),
        ("::/0", "10.0.0.1", false),
        // IPv4-mapped addresses, as reported by dual-stack sockets, and IPv4-mapped ranges.
        ("10.0.0.0/8", "::ffff:10.1.2.3", true),
        ("10.0.0.0/8", "::ffff:11.1.2.3", false),
        ("::ffff:10.0.0.0/104", "10.1.2.3", true),
        ("::ffff:10.0.0.0/104", "::ffff:10.1.2.3", true),
        ("::ffff:0.0.0.0/96", "10.1.2.3", true),
        ("::/0", "::ffff:10.1.2.3", false),
        // IPv4-compatible addresses aren't IPv4-mapped.
        ("10.0.0.0/8", "::10.1.2.3", false),
    ] {
        let condition = json!({"client_addr": ["203.0.113.0/24", range]});
        assert_eq!(evaluate_with_client_addr(&condition, None, Some(addr)), Some(expected), "{addr} in {range}");
    }
}

#[test]
fn time_is_evaluated_in_condition_timezone() {
    // It is 12:00 in UTC and 14:00 in Berlin.
    for (zone, expected) in [("UTC", false), ("Europe/Berlin", true)] {
        let window = json!({"time": {"from": "14:00", "to": "15:00", "zone": zone}});
        assert_eq!(evaluate(&window, None), Some(expected), "{zone}");
    }
}
