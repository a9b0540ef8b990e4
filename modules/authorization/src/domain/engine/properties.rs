//! The compiled, indexed engine beside a naive one: it scans the policies as stored, and reads conditions off their JSON.

use kernel::contracts::{Environment, PermissionInfo, ResourceFacts, TenantId, UserId};
use proptest::{collection::vec, option, prelude::*, sample::select, test_runner::TestCaseResult};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{super::StoredCondition, *};

/// Few names, so that policies meet.
static PERMISSIONS: [PermissionInfo; 3] = [
    PermissionInfo { name: "user:read", resource: "user", verb: "read", about: "" },
    PermissionInfo { name: "user:pay", resource: "user", verb: "pay", about: "" },
    PermissionInfo { name: "billing:read", resource: "billing", verb: "read", about: "" },
];
const ZONES: [&str; 4] = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const RANGES: [&str; 6] = ["10.0.0.0/8", "10.1.2.0/24", "0.0.0.0/0", "2001:db8::/32", "::/0", "::ffff:10.1.0.0/112"];
const ADDRS: [&str; 5] = ["10.1.2.3", "::ffff:10.9.2.3", "192.168.0.1", "2001:db8::1", "::1"];

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn tenant() -> TenantFacts {
    TenantFacts {
        id: TenantId::from_uuid(id(1)),
        plan: "pro".into(),
        contract_type: "pro".into(),
        features: vec!["sso".into()],
        max_users: 3,
    }
}

/// A policy and its condition as JSON; `Some(None)`: one that nobody can read.
type Given = (Policy, Option<Option<Value>>);

#[derive(Debug)]
struct Question {
    user: UserId,
    role: RoleId,
    permission: &'static PermissionInfo,
    resource: Option<ResourceFacts>,
    environment: Environment,
}

fn leaf() -> impl Strategy<Value = Value> {
    let ids = || (0..3_u128).prop_map(id);
    let id_of = select(vec!["subject.id", "subject.role", "resource.owner", "tenant.id"]);
    let text_of = select(vec!["tenant.plan", "tenant.contract_type"]);
    let plans = || select(vec!["free", "pro"]);
    let same = select(vec![
        ("subject.id", "resource.owner"),
        ("resource.owner", "subject.id"),
        ("tenant.plan", "tenant.contract_type"),
    ]);
    prop_oneof![
        Just(json!({"owner": {}})),
        select(vec!["sso", "audit"]).prop_map(|name| json!({"feature": name})),
        plans().prop_map(|name| json!({"plan": name})),
        (id_of.clone(), ids()).prop_map(|(name, id)| json!({"attribute": {"name": name, "is": id}})),
        (id_of, vec(ids(), 1..3)).prop_map(|(name, ids)| json!({"attribute": {"name": name, "one_of": ids}})),
        (text_of, plans()).prop_map(|(name, plan)| json!({"attribute": {"name": name, "is": plan}})),
        same.prop_map(|(name, other)| json!({"attribute": {"name": name, "is_same_as": other}})),
        (select(vec!["is", "at_least", "at_most"]), 1..6)
            .prop_map(|(test, number)| json!({"attribute": {"name": "tenant.max_users", test: number}})),
        vec(select(&RANGES[..]), 1..3).prop_map(|ranges| json!({"client_addr": ranges})),
        (0..24_i32, 1..24_i32, select(&ZONES[..]), vec(select(&DAYS[..]), 1..7)).prop_map(|(from, span, zone, days)| {
            let to = (from + span) % 24;
            json!({"time": {"from": format!("{from:02}:30"), "to": format!("{to:02}:30"), "zone": zone, "days": days}})
        }),
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

fn policies() -> impl Strategy<Value = Vec<Given>> {
    let condition = prop_oneof![
        2 => Just(None),
        5 => condition().prop_map(|condition| Some(Some(condition))),
        1 => Just(Some(None)),
    ];
    let role = option::of((0..2_u128).prop_map(|role| RoleId::from_uuid(id(role))));
    let verbs = vec(select(vec!["read", "pay", "*"]), 1..3);
    let effect = prop_oneof![1 => Just(Effect::Deny), 3 => Just(Effect::Allow)];
    let policy = (role, effect, select(vec!["user", "billing", "*"]), verbs, condition);
    // Ids that say nothing of the order in which the policies come.
    let ids = Just((0..8_u128).collect::<Vec<_>>()).prop_shuffle();
    (ids, vec(policy, 0..8)).prop_map(|(ids, policies)| {
        let numbered = ids.into_iter().zip(policies);
        numbered
            .map(|(number, (role_id, effect, resource, verbs, condition))| {
                let json =
                    condition.as_ref().map(|json: &Option<Value>| json.clone().unwrap_or(json!({"moon": "full"})));
                let verbs = verbs.into_iter().map(Into::into).collect();
                let (id, resource) = (PolicyId::from_uuid(id(number)), resource.into());
                let condition_as_stored = StoredCondition::from(json);
                (Policy { id, role_id, effect, resource, verbs, condition: condition_as_stored }, condition)
            })
            .collect()
    })
}

fn question() -> impl Strategy<Value = Question> {
    let user = || (0..3_u128).prop_map(|user| UserId::from_uuid(id(user)));
    let resource = option::of(option::of(user()).prop_map(|owner| ResourceFacts { owner }));
    // 2026 and 2027, so that summer time begins and ends.
    let now = 1_767_225_600..1_830_297_600_i64;
    let addr = option::of(select(&ADDRS[..]).prop_map(|addr| addr.parse().unwrap()));
    (user(), 0..3_u128, 0..PERMISSIONS.len(), resource, now, addr).prop_map(
        |(user, role, permission, resource, now, client_addr)| Question {
            user,
            role: RoleId::from_uuid(id(role)),
            permission: &PERMISSIONS[permission],
            resource,
            environment: Environment { now: OffsetDateTime::from_unix_timestamp(now).unwrap(), client_addr },
        },
    )
}

mod naive {
    use std::net::IpAddr;

    use jiff::{Timestamp, civil::Time, tz::TimeZone};

    use super::*;

    pub(super) fn decide(policies: &[Given], question: &Question) -> Decision {
        let mut applying: Vec<_> = policies.iter().filter(|policy| applies(policy, question)).collect();
        applying.sort_by_key(|(policy, condition)| (policy.effect != Effect::Deny, condition.is_some(), policy.id));
        match applying.first() {
            None => Decision::Deny(Denied::NoPolicyAllows),
            Some((policy, _)) if policy.effect == Effect::Deny => Decision::Deny(Denied::ByPolicy(policy.id)),
            Some((policy, _)) => Decision::Allow(Allowed::ByPolicy(policy.id)),
        }
    }

    fn applies((policy, condition): &Given, question: &Question) -> bool {
        let covers = |name: &str, asked: &str| name == "*" || name == asked;
        policy.role_id.is_none_or(|role| role == question.role)
            && covers(&policy.resource, question.permission.resource)
            && policy.verbs.iter().any(|verb| covers(verb, question.permission.verb))
            && match condition {
                None => true,
                Some(None) => policy.effect == Effect::Deny,
                Some(Some(json)) => holds(json, question).unwrap_or(policy.effect == Effect::Deny),
            }
    }

    fn holds(json: &Value, question: &Question) -> Option<bool> {
        let (kind, inner) = json.as_object().unwrap().iter().next().unwrap();
        let parts = || inner.as_array().unwrap().iter().map(|part| holds(part, question)).collect::<Vec<_>>();
        match kind.as_str() {
            "all" if parts().contains(&Some(false)) => Some(false),
            "any" if parts().contains(&Some(true)) => Some(true),
            "all" | "any" if parts().contains(&None) => None,
            "all" => Some(true),
            "any" => Some(false),
            "not" => Some(!holds(inner, question)?),
            "owner" => Some(attribute("resource.owner", question)? == attribute("subject.id", question)?),
            "feature" => Some(tenant().features.iter().any(|feature| inner == feature)),
            "plan" => Some(*inner == tenant().plan),
            "attribute" => compares(inner, question),
            "client_addr" => {
                let addr = question.environment.client_addr?;
                Some(inner.as_array().unwrap().iter().any(|range| is_in(range.as_str().unwrap(), addr)))
            }
            "time" => Some(is_within(inner, question.environment.now)),
            kind => panic!("{kind}"),
        }
    }

    fn attribute(name: &str, question: &Question) -> Option<Value> {
        Some(match name {
            "subject.id" => json!(question.user),
            "subject.role" => json!(question.role),
            "resource.owner" => json!(question.resource?.owner?),
            "tenant.id" => json!(tenant().id),
            "tenant.plan" => json!(tenant().plan),
            "tenant.contract_type" => json!(tenant().contract_type),
            "tenant.max_users" => json!(tenant().max_users),
            name => panic!("{name}"),
        })
    }

    fn compares(comparison: &Value, question: &Question) -> Option<bool> {
        let value = attribute(comparison["name"].as_str().unwrap(), question)?;
        let number = |bound: &str| Some((value.as_i64()?, comparison[bound].as_i64()?));
        if let Some(other) = comparison["is_same_as"].as_str() {
            return Some(value == attribute(other, question)?);
        }
        let is_listed = comparison["one_of"].as_array().is_some_and(|list| list.contains(&value));
        let is_high = number("at_least").is_some_and(|(value, least)| value >= least);
        let is_low = number("at_most").is_some_and(|(value, most)| value <= most);
        Some(value == comparison["is"] || is_listed || is_high || is_low)
    }

    /// As many bits as the prefix is long are the same.
    fn is_in(range: &str, addr: IpAddr) -> bool {
        let (network, length) = range.split_once('/').unwrap();
        // All in IPv6: IPv4 as its mapped range, which other IPv6 ranges don't have.
        let bits = |addr: IpAddr| match addr {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        let (network, length): (IpAddr, u32) = (network.parse().unwrap(), length.parse().unwrap());
        let length = if network.is_ipv4() { length + 96 } else { length };
        let is_v4 = |bits: u128| bits >> 32 == 0xffff;
        let same = |bits: u128| bits.checked_shr(128 - length).unwrap_or(0);
        let (network, addr) = (bits(network), bits(addr));
        (is_v4(network) || !is_v4(addr)) && same(network) == same(addr)
    }

    fn is_within(window: &Value, now: OffsetDateTime) -> bool {
        let text = |name: &str| window[name].as_str().unwrap();
        let zone = TimeZone::get(text("zone")).unwrap();
        let now = Timestamp::from_second(now.unix_timestamp()).unwrap().to_zoned(zone);
        let time = |name: &str| {
            let (hour, minute) = text(name).split_once(':').unwrap();
            Time::new(hour.parse().unwrap(), minute.parse().unwrap(), 0, 0).unwrap()
        };
        let begins_on = |date: jiff::civil::Date| {
            let name = DAYS[usize::try_from(date.weekday().to_monday_zero_offset()).unwrap()];
            window["days"].as_array().unwrap().contains(&json!(name))
        };
        let (from, to) = (time("from"), time("to"));
        let (today, clock) = (now.date(), now.time());
        let since_today = begins_on(today) && clock >= from && (clock < to || to < from);
        since_today || (to < from && clock < to && begins_on(today.yesterday().unwrap()))
    }
}

fn same_answers(mut given: Vec<Given>, questions: &[Question]) -> TestCaseResult {
    let policies = |given: &[Given]| given.iter().map(|(policy, _)| policy.clone()).collect::<Vec<_>>();
    let forwards = CompiledPolicies::new(1, &policies(&given), &tenant());
    given.reverse();
    let backwards = CompiledPolicies::new(1, &policies(&given), &tenant());
    for question in questions {
        let Question { permission, resource, environment, .. } = question;
        let request = AccessRequest { permission, resource: resource.as_ref(), environment };
        let decide = |set: &CompiledPolicies| set.decide(Principal::User(question.user), question.role, &request);
        let decision = decide(&forwards);
        prop_assert_eq!(decision, naive::decide(&given, question), "{:?}", question);
        prop_assert_eq!(decision, decide(&backwards), "{:?}", question);
        prop_assert_eq!(decision, forwards.explain(Principal::User(question.user), question.role, &request).decision);
    }
    Ok(())
}

proptest! {
    // Each with sixteen questions.
    #![proptest_config(ProptestConfig { cases: 2_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_answers_as_a_scan_of_the_stored_policies_does(
        policies in policies(),
        questions in vec(question(), 16),
    ) {
        same_answers(policies, &questions)?;
    }
}
