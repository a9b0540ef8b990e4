//! Compares the engine with a naive one, which scans the stored policies and evaluates conditions from their JSON.

use proptest::{collection::vec, prelude::*, test_runner::TestCaseResult};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    generators::{DAYS, GeneratedCondition, GeneratedPolicy, TestRequest, policies, tenant, test_request},
    *,
};

mod naive {
    use std::net::IpAddr;

    use jiff::{Timestamp, tz::TimeZone};

    use super::*;

    pub(super) fn decide(
        policies: &[GeneratedPolicy],
        tenant: &TenantAttributes,
        test_request: &TestRequest,
    ) -> Decision {
        let mut applicable: Vec<_> = policies.iter().filter(|policy| applies(policy, tenant, test_request)).collect();
        applicable.sort_by_key(|(policy, condition)| {
            (policy.effect != Effect::Deny, *condition != GeneratedCondition::Always, policy.id)
        });
        match applicable.first() {
            None => Decision::Deny(DenyReason::NoPolicyAllows),
            Some((policy, _)) if policy.effect == Effect::Deny => Decision::Deny(DenyReason::ByPolicy(policy.id)),
            Some((policy, _)) => Decision::Allow(AllowReason::ByPolicy(policy.id)),
        }
    }

    fn applies((policy, condition): &GeneratedPolicy, tenant: &TenantAttributes, test_request: &TestRequest) -> bool {
        let covers = |name: &str, requested: &str| name == "*" || name == requested;
        policy.role_id.is_none_or(|role| role == test_request.role)
            && covers(&policy.resource, test_request.permission.resource)
            && policy.verbs.iter().any(|verb| covers(verb, test_request.permission.verb))
            && match condition {
                GeneratedCondition::Always => true,
                GeneratedCondition::Invalid => policy.effect == Effect::Deny,
                GeneratedCondition::If(json) => {
                    evaluate(json, tenant, test_request).unwrap_or(policy.effect == Effect::Deny)
                }
            }
    }

    fn evaluate(json: &Value, tenant: &TenantAttributes, test_request: &TestRequest) -> Option<bool> {
        let (kind, inner) = json.as_object().unwrap().iter().next().unwrap();
        let parts =
            || inner.as_array().unwrap().iter().map(|part| evaluate(part, tenant, test_request)).collect::<Vec<_>>();
        match kind.as_str() {
            "all" if parts().contains(&Some(false)) => Some(false),
            "any" if parts().contains(&Some(true)) => Some(true),
            "all" | "any" if parts().contains(&None) => None,
            "all" => Some(true),
            "any" => Some(false),
            "not" => Some(!evaluate(inner, tenant, test_request)?),
            "owner" => Some(test_request.resource?.owner? == test_request.user),
            "feature" => Some(tenant.features.iter().any(|feature| inner == feature)),
            "plan" => Some(*inner == tenant.plan),
            "attribute" => compare(inner, tenant, test_request),
            "client_addr" => {
                let addr = test_request.environment.client_addr?;
                Some(inner.as_array().unwrap().iter().any(|range| is_in(range.as_str().unwrap(), addr)))
            }
            "time" => Some(is_within(inner, test_request.environment.now)),
            kind => panic!("{kind}"),
        }
    }

    fn attribute(name: &str, tenant: &TenantAttributes, test_request: &TestRequest) -> Option<Value> {
        Some(match name {
            "subject.id" => json!(test_request.user),
            "subject.role" => json!(test_request.role),
            "resource.owner" => json!(test_request.resource?.owner?),
            "tenant.id" => json!(tenant.id),
            "tenant.plan" => json!(tenant.plan),
            "tenant.contract_type" => json!(tenant.contract_type),
            "tenant.seat_limit" => json!(tenant.seat_limit),
            name => panic!("{name}"),
        })
    }

    fn compare(comparison: &Value, tenant: &TenantAttributes, test_request: &TestRequest) -> Option<bool> {
        let value = attribute(comparison["name"].as_str().unwrap(), tenant, test_request)?;
        let number = |bound: &str| Some((value.as_i64()?, comparison[bound].as_i64()?));
        if let Some(other) = comparison["is_same_as"].as_str() {
            return Some(value == attribute(other, tenant, test_request)?);
        }
        let is_listed = comparison["one_of"].as_array().is_some_and(|list| list.contains(&value));
        let meets_minimum = number("at_least").is_some_and(|(value, least)| value >= least);
        let meets_maximum = number("at_most").is_some_and(|(value, most)| value <= most);
        Some(value == comparison["is"] || is_listed || meets_minimum || meets_maximum)
    }

    /// Compares the bits of the prefix.
    fn is_in(range: &str, addr: IpAddr) -> bool {
        let (network, length) = range.split_once('/').unwrap();
        // IPv4 addresses are compared as IPv4-mapped IPv6 addresses, which other IPv6 ranges don't contain.
        let bits = |addr: IpAddr| match addr {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        let (network, length): (IpAddr, u32) = (network.parse().unwrap(), length.parse().unwrap());
        let length = if network.is_ipv4() { length + 96 } else { length };
        let is_v4 = |bits: u128| bits >> 32 == 0xffff;
        let prefix_bits = |bits: u128| bits.checked_shr(128 - length).unwrap_or(0);
        let (network, addr) = (bits(network), bits(addr));
        (is_v4(network) || !is_v4(addr)) && prefix_bits(network) == prefix_bits(addr)
    }

    fn is_within(window: &Value, now: OffsetDateTime) -> bool {
        let text = |name: &str| window[name].as_str().unwrap();
        let zone = TimeZone::get(text("zone")).unwrap();
        let now = Timestamp::from_second(now.unix_timestamp()).unwrap().to_zoned(zone);
        let minute = |name: &str| -> i32 {
            let (hour, minute) = text(name).split_once(':').unwrap();
            hour.parse::<i32>().unwrap() * 60 + minute.parse::<i32>().unwrap()
        };
        let begins_on = |date: jiff::civil::Date| {
            let name = DAYS[usize::try_from(date.weekday().to_monday_zero_offset()).unwrap()];
            window["days"].as_array().is_none_or(|days| days.contains(&json!(name)))
        };
        let (from, to) = (minute("from"), minute("to"));
        let (today, clock) = (now.date(), i32::from(now.hour()) * 60 + i32::from(now.minute()));
        let started_today = begins_on(today) && clock >= from && (clock < to || to < from);
        started_today || (to < from && clock < to && begins_on(today.yesterday().unwrap()))
    }
}

fn check_agreement(
    mut generated: Vec<GeneratedPolicy>,
    tenant: &TenantAttributes,
    test_requests: &[TestRequest],
) -> TestCaseResult {
    let policies =
        |generated: &[GeneratedPolicy]| generated.iter().map(|(policy, _)| policy.clone()).collect::<Vec<_>>();
    let compiled = CompiledPolicies::new(PolicyVersion::for_test(1), &policies(&generated), tenant);
    generated.reverse();
    let compiled_reversed = CompiledPolicies::new(PolicyVersion::for_test(1), &policies(&generated), tenant);
    for test_request in test_requests {
        let request = test_request.request();
        let decide = |set: &CompiledPolicies| set.decide(test_request.principal(), test_request.role, &request);
        let decision = decide(&compiled);
        prop_assert_eq!(decision, naive::decide(&generated, tenant, test_request), "{:?}", test_request);
        prop_assert_eq!(decision, decide(&compiled_reversed), "{:?}", test_request);
        prop_assert_eq!(decision, compiled.explain(test_request.principal(), test_request.role, &request).decision);
    }
    Ok(())
}

proptest! {
    // Each case has 16 requests.
    #![proptest_config(ProptestConfig { cases: 2_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn engine_agrees_with_naive_scan(
        policies in policies(),
        tenant in tenant(),
        test_requests in vec(test_request(), 16),
    ) {
        check_agreement(policies, &tenant, &test_requests)?;
    }
}
