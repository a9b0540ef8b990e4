//! Mutants of the engine, each with one defect. The comparison with Cedar must detect every one.

use std::net::IpAddr;

use proptest::test_runner::TestError;
use rstest::rstest;
use time::Duration;

use super::*;

type Mutant = for<'a> fn(&'a Case) -> Engine<'a>;

fn assert_detected(mutant: impl for<'a> Fn(&'a Case) -> Engine<'a>) {
    // A few dozen tenants usually suffice. Shrinking is disabled, because only the detection matters.
    let result = runner(5 * CASES, 0).run(&case(), |case| check_agreement(&case, &mutant(&case)));
    assert!(matches!(result, Err(TestError::Fail(..))), "the mutant was not detected: {result:?}");
}

/// Returns true if any policy of the set applies to the request.
fn applies(set: &CompiledPolicies, test_request: &TestRequest) -> bool {
    decide(set, test_request) != Decision::Deny(DenyReason::NoPolicyAllows)
}

fn first_match_decides(case: &Case) -> Engine<'_> {
    let each: Vec<_> = case.policies().chunks(1).map(|policy| case.compiled(policy)).collect();
    Box::new(move |test_request| match each.iter().find(|set| applies(set, test_request)) {
        Some(first) => decide(first, test_request),
        None => Decision::Deny(DenyReason::NoPolicyAllows),
    })
}

fn allow_overrides_deny(case: &Case) -> Engine<'_> {
    let (allows, denies): (Vec<_>, Vec<_>) =
        case.policies().into_iter().partition(|policy| policy.effect == Effect::Allow);
    let (allows, denies) = (case.compiled(&allows), case.compiled(&denies));
    Box::new(move |test_request| decide(if applies(&allows, test_request) { &allows } else { &denies }, test_request))
}

/// Compiles mutated policies.
fn mutate_policies(case: &Case, mutate: impl Fn(&mut Vec<Policy>)) -> Engine<'_> {
    let mut policies = case.policies();
    mutate(&mut policies);
    let set = case.compiled(&policies);
    Box::new(move |test_request| decide(&set, test_request))
}

fn first_effect_is_inverted(case: &Case) -> Engine<'_> {
    mutate_policies(case, |policies| {
        if let Some(policy) = policies.first_mut() {
            policy.effect = if policy.effect == Effect::Allow { Effect::Deny } else { Effect::Allow };
        }
    })
}

fn conditions_are_ignored(case: &Case) -> Engine<'_> {
    mutate_policies(case, |policies| policies.iter_mut().for_each(|policy| policy.condition = StoredCondition::Always))
}

fn tenant_wide_policies_are_ignored(case: &Case) -> Engine<'_> {
    mutate_policies(case, |policies| policies.retain(|policy| policy.role_id.is_some()))
}

fn wildcard_verb_is_ignored(case: &Case) -> Engine<'_> {
    mutate_policies(case, |policies| policies.iter_mut().for_each(|policy| policy.verbs.retain(|verb| verb != "*")))
}

/// Decides mutated requests.
fn mutate_requests(case: &Case, mutate: impl Fn(&mut TestRequest) + 'static) -> Engine<'_> {
    let set = case.compiled(&case.policies());
    Box::new(move |test_request| {
        let mut test_request = test_request.clone();
        mutate(&mut test_request);
        decide(&set, &test_request)
    })
}

fn clock_is_one_hour_ahead(case: &Case) -> Engine<'_> {
    mutate_requests(case, |test_request| test_request.environment.now += Duration::HOUR)
}

fn mapped_ipv4_is_treated_as_ipv6(case: &Case) -> Engine<'_> {
    mutate_requests(case, |test_request| {
        if let Some(IpAddr::V6(v6)) = &mut test_request.environment.client_addr {
            *v6 = v6.to_ipv4_mapped().map_or(*v6, |v4| v4.to_ipv6_compatible());
        }
    })
}

fn indeterminate_allow_applies(case: &Case) -> Engine<'_> {
    let set = case.compiled(&case.policies());
    Box::new(move |test_request| {
        let Explanation { decision, unmet, .. } =
            set.explain(test_request.principal(), test_request.role, &test_request.request());
        let indeterminate = unmet.iter().find(|policy| policy.conditions[0].outcome == Truth::Indeterminate);
        indeterminate.map_or(decision, |policy| Decision::Allow(AllowReason::ByPolicy(policy.id)))
    })
}

/// Decides again without the deciding policy. Returns the second decision if `accepts` returns true.
fn ignore_deciding_policy(case: &Case, accepts: impl Fn(&Explanation, Decision) -> bool + 'static) -> Engine<'_> {
    let set = case.compiled(&case.policies());
    Box::new(move |test_request| {
        let explanation = set.explain(test_request.principal(), test_request.role, &test_request.request());
        let others = |id| case.policies().into_iter().filter(|policy| policy.id != id).collect::<Vec<_>>();
        let second = explanation.policy.as_ref().map(|policy| decide(&case.compiled(&others(policy.id)), test_request));
        second.filter(|second| accepts(&explanation, *second)).unwrap_or(explanation.decision)
    })
}

fn indeterminate_deny_is_ignored(case: &Case) -> Engine<'_> {
    ignore_deciding_policy(case, |first, _| {
        let root = first.policy.as_ref().and_then(|policy| policy.conditions.first());
        root.is_some_and(|root| root.outcome == Truth::Indeterminate)
    })
}

fn wrong_policy_is_reported(case: &Case) -> Engine<'_> {
    ignore_deciding_policy(case, |first, second| {
        let allows = |decision| matches!(decision, Decision::Allow(_));
        second != Decision::Deny(DenyReason::NoPolicyAllows) && allows(first.decision) == allows(second)
    })
}

#[rstest]
#[case::order(first_match_decides)]
#[case::precedence(allow_overrides_deny)]
#[case::effect(first_effect_is_inverted)]
#[case::conditions(conditions_are_ignored)]
#[case::tenant_wide(tenant_wide_policies_are_ignored)]
#[case::verbs(wildcard_verb_is_ignored)]
#[case::time(clock_is_one_hour_ahead)]
#[case::address(mapped_ipv4_is_treated_as_ipv6)]
#[case::indeterminate_allow(indeterminate_allow_applies)]
#[case::indeterminate_deny(indeterminate_deny_is_ignored)]
#[case::reason(wrong_policy_is_reported)]
fn engine_mutant_is_detected(#[case] mutant: Mutant) {
    assert_detected(mutant);
}

#[rstest]
#[case::any_is_all(r#""any":"#, r#""all":"#)]
#[case::at_least_is_at_most(r#""at_least":"#, r#""at_most":"#)]
#[case::wrong_attribute(r#""tenant.plan""#, r#""tenant.contract_type""#)]
#[case::wrong_owner(r#""resource.owner""#, r#""subject.id""#)]
#[case::wrong_zone("Europe/Berlin", "UTC")]
#[case::wrong_day(r#""sat""#, r#""sun""#)]
#[case::wrong_range("10.0.0.0/8", "10.0.0.0/9")]
fn condition_mutant_is_detected(#[case] original: &str, #[case] replacement: &str) {
    assert_detected(|case| {
        let conditions = case.generated.iter().map(|(policy, condition)| match condition {
            GeneratedCondition::If(condition) => {
                let mutated = condition.to_string().replace(original, replacement);
                StoredCondition::from(Some(serde_json::from_str(&mutated).unwrap()))
            }
            _ => policy.condition.clone(),
        });
        let conditions: Vec<_> = conditions.collect();
        mutate_policies(case, |policies| {
            for (policy, condition) in policies.iter_mut().zip(&conditions) {
                policy.condition = condition.clone();
            }
        })
    });
}
