//! Strategies for random tenants, policies and requests.

use kernel::{Environment, PermissionInfo, ResourceAttributes, TenantId, UserId};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{select, subsequence},
};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{super::StoredCondition, *};

/// Few names, so that policies overlap.
static PERMISSIONS: [PermissionInfo; 3] = [
    PermissionInfo { name: "user:read", resource: "user", verb: "read", about: "" },
    PermissionInfo { name: "user:pay", resource: "user", verb: "pay", about: "" },
    PermissionInfo { name: "billing:read", resource: "billing", verb: "read", about: "" },
];
const FEATURES: [&str; 2] = ["sso", "audit"];
/// The last one must be escaped in Cedar's policy text.
const PLANS: [&str; 3] = ["free", "pro", "\"für\\alle\""];
const ZONES: [&str; 4] = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"];
pub(in crate::engine) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const RANGES: [&str; 7] =
    ["10.0.0.0/8", "10.1.2.0/24", "0.0.0.0/0", "2001:db8::/32", "::/0", "::ffff:10.1.0.0/112", "::1/128"];
/// Inside the ranges and just outside of them.
const ADDRS: [&str; 9] = [
    "9.255.255.255",
    "10.1.2.3",
    "10.200.0.1",
    "::ffff:10.1.9.9",
    "::ffff:192.168.0.1",
    "2001:db8::1",
    "2001:db8:ffff::1",
    "2001:db9::1",
    "::1",
];

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

pub(in crate::engine) fn tenant() -> impl Strategy<Value = TenantAttributes> {
    let features = subsequence(&FEATURES[..], 0..=FEATURES.len());
    (0..3_u128, select(&PLANS[..]), select(&PLANS[..]), features, 1..6_i32).prop_map(
        |(tenant, plan, contract_type, features, seat_limit)| TenantAttributes {
            id: TenantId::from_uuid(id(tenant)),
            plan: plan.into(),
            contract_type: contract_type.into(),
            features: features.into_iter().map(Into::into).collect(),
            seat_limit,
        },
    )
}

/// A policy with the condition from which it was parsed.
pub(in crate::engine) type GeneratedPolicy = (Policy, GeneratedCondition);

#[derive(Debug, Clone, PartialEq)]
pub(in crate::engine) enum GeneratedCondition {
    Always,
    If(Value),
    Invalid,
}

#[derive(Debug, Clone)]
pub(in crate::engine) struct TestRequest {
    pub(in crate::engine) user: UserId,
    pub(in crate::engine) role: RoleId,
    pub(in crate::engine) permission: &'static PermissionInfo,
    pub(in crate::engine) resource: Option<ResourceAttributes>,
    pub(in crate::engine) environment: Environment,
}

impl TestRequest {
    pub(in crate::engine) fn principal(&self) -> Principal {
        Principal::User(self.user)
    }

    pub(in crate::engine) fn request(&self) -> AccessRequest<'_> {
        let Self { permission, resource, environment, .. } = self;
        AccessRequest { permission, resource: resource.as_ref(), environment }
    }
}

fn comparison() -> impl Strategy<Value = Value> {
    let ids = || (0..3_u128).prop_map(id);
    let id_of = || select(vec!["subject.id", "subject.role", "resource.owner", "tenant.id"]);
    let text_of = || select(vec!["tenant.plan", "tenant.contract_type"]);
    let numbers = || prop_oneof![6 => 0..7_i64, 1 => Just(i64::MIN), 1 => Just(i64::MAX)];
    let same = select(vec![
        ("subject.id", "resource.owner"),
        ("resource.owner", "subject.id"),
        ("tenant.plan", "tenant.contract_type"),
        ("tenant.contract_type", "tenant.plan"),
    ]);
    prop_oneof![
        2 => (id_of(), ids()).prop_map(|(name, id)| json!({"name": name, "is": id})),
        2 => (id_of(), vec(ids(), 1..3)).prop_map(|(name, ids)| json!({"name": name, "one_of": ids})),
        1 => (text_of(), select(&PLANS[..])).prop_map(|(name, plan)| json!({"name": name, "is": plan})),
        1 => (text_of(), vec(select(&PLANS[..]), 1..3)).prop_map(|(name, plans)| json!({"name": name, "one_of": plans})),
        2 => same.prop_map(|(name, other)| json!({"name": name, "is_same_as": other})),
        2 => (select(vec!["is", "at_least", "at_most"]), numbers())
            .prop_map(|(test, number)| json!({"name": "tenant.seat_limit", test: number})),
        1 => vec(numbers(), 1..3).prop_map(|numbers| json!({"name": "tenant.seat_limit", "one_of": numbers})),
    ]
}

fn window() -> impl Strategy<Value = Value> {
    // Steps of half an hour. Midnight as an end is either 00:00 or 24:00.
    let time = |half_hours: i32| format!("{:02}:{:02}", half_hours / 2, half_hours % 2 * 30);
    let days = option::of(vec(select(&DAYS[..]), 1..7));
    (0..48, 1..48, any::<bool>(), select(&ZONES[..]), days).prop_map(move |(from, span, as_24h, zone, days)| {
        let to = Some((from + span) % 48).filter(|to| *to != 0 || !as_24h).unwrap_or(48);
        let mut window = json!({"from": time(from), "to": time(to), "zone": zone});
        if let Some(days) = days {
            window["days"] = json!(days);
        }
        window
    })
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => Just(json!({"owner": {}})),
        2 => select(&FEATURES[..]).prop_map(|name| json!({"feature": name})),
        2 => select(&PLANS[..]).prop_map(|name| json!({"plan": name})),
        5 => comparison().prop_map(|comparison| json!({"attribute": comparison})),
        2 => vec(select(&RANGES[..]), 1..3).prop_map(|ranges| json!({"client_addr": ranges})),
        2 => window().prop_map(|window| json!({"time": window})),
    ]
}

fn condition() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|parts| json!({"all": parts})),
            vec(inner.clone(), 0..3).prop_map(|parts| json!({"any": parts})),
            inner.prop_map(|part| json!({"not": part})),
        ]
    })
}

pub(in crate::engine) fn policies() -> impl Strategy<Value = Vec<GeneratedPolicy>> {
    let condition = prop_oneof![
        2 => Just(GeneratedCondition::Always),
        5 => condition().prop_map(GeneratedCondition::If),
        1 => Just(GeneratedCondition::Invalid),
    ];
    let role = option::of((0..2_u128).prop_map(|role| RoleId::from_uuid(id(role))));
    let verbs = vec(select(vec!["read", "pay", "*"]), 1..3);
    let effect = prop_oneof![1 => Just(Effect::Deny), 3 => Just(Effect::Allow)];
    let policy = (role, effect, select(vec!["user", "billing", "*"]), verbs, condition);
    // Shuffled, so that ids don't follow the order of the policies.
    let ids = Just((0..8_u128).collect::<Vec<_>>()).prop_shuffle();
    (ids, vec(policy, 0..8)).prop_map(|(ids, policies)| {
        let numbered = ids.into_iter().zip(policies);
        numbered
            .map(|(number, (role_id, effect, resource, verbs, condition))| {
                let json = match &condition {
                    GeneratedCondition::Always => None,
                    GeneratedCondition::If(json) => Some(json.clone()),
                    GeneratedCondition::Invalid => Some(json!({"unknown": "x"})),
                };
                let verbs = verbs.into_iter().map(Into::into).collect();
                let (id, resource) = (PolicyId::from_uuid(id(number)), resource.into());
                let condition_as_stored = StoredCondition::from(json);
                (Policy { id, role_id, effect, resource, verbs, condition: condition_as_stored }, condition)
            })
            .collect()
    })
}

pub(in crate::engine) fn test_request() -> impl Strategy<Value = TestRequest> {
    let user = || (0..3_u128).prop_map(|user| UserId::from_uuid(id(user)));
    let resource = option::of(option::of(user()).prop_map(|owner| ResourceAttributes { owner }));
    // 2026 and 2027, so that daylight saving time starts and ends.
    let now = 1_767_225_600..1_830_297_600_i64;
    let addr = option::of(select(&ADDRS[..]).prop_map(|addr| addr.parse().unwrap()));
    (user(), 0..3_u128, 0..PERMISSIONS.len(), resource, now, addr).prop_map(
        |(user, role, permission, resource, now, client_addr)| TestRequest {
            user,
            role: RoleId::from_uuid(id(role)),
            permission: &PERMISSIONS[permission],
            resource,
            environment: Environment { now: OffsetDateTime::from_unix_timestamp(now).unwrap(), client_addr },
        },
    )
}
