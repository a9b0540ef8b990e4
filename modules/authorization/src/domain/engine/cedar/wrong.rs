//! Engines that err, each in one way: the comparison with Cedar finds every one of them.

use std::net::IpAddr;

use proptest::test_runner::TestError;
use rstest::rstest;
use time::Duration;

use super::*;

type Wrong = for<'a> fn(&'a Case) -> Engine<'a>;

fn is_found(wrong: impl for<'a> Fn(&'a Case) -> Engine<'a>) {
    // The first few dozen tenants find it. No search for the shortest case: that one is found is what counts.
    let found = runner(5 * TENANTS, 0).run(&case(), |case| same_answers(&case, &wrong(&case)));
    assert!(matches!(found, Err(TestError::Fail(..))), "Cedar's answers were the same: {found:?}");
}

fn applies(set: &CompiledPolicies, question: &Question) -> bool {
    decide(set, question) != Decision::Deny(Denied::NoPolicyAllows)
}

fn whoever_comes_first_decides(case: &Case) -> Engine<'_> {
    let each: Vec<_> = case.policies().chunks(1).map(|one| case.compiled(one)).collect();
    Box::new(move |question| match each.iter().find(|set| applies(set, question)) {
        Some(first) => decide(first, question),
        None => Decision::Deny(Denied::NoPolicyAllows),
    })
}

fn an_allow_outweighs_a_deny(case: &Case) -> Engine<'_> {
    let (allows, denies): (Vec<_>, Vec<_>) =
        case.policies().into_iter().partition(|policy| policy.effect == Effect::Allow);
    let (allows, denies) = (case.compiled(&allows), case.compiled(&denies));
    Box::new(move |question| decide(if applies(&allows, question) { &allows } else { &denies }, question))
}

/// Compiles other policies than were given.
fn altered(case: &Case, alter: impl Fn(&mut Vec<Policy>)) -> Engine<'_> {
    let mut policies = case.policies();
    alter(&mut policies);
    let set = case.compiled(&policies);
    Box::new(move |question| decide(&set, question))
}

fn one_effect_is_the_other(case: &Case) -> Engine<'_> {
    altered(case, |policies| {
        if let Some(policy) = policies.first_mut() {
            policy.effect = if policy.effect == Effect::Allow { Effect::Deny } else { Effect::Allow };
        }
    })
}

fn conditions_are_ignored(case: &Case) -> Engine<'_> {
    altered(case, |policies| policies.iter_mut().for_each(|policy| policy.condition = StoredCondition::Always))
}

fn every_member_is_nobody(case: &Case) -> Engine<'_> {
    altered(case, |policies| policies.retain(|policy| policy.role_id.is_some()))
}

fn a_star_is_a_verb_like_others(case: &Case) -> Engine<'_> {
    altered(case, |policies| policies.iter_mut().for_each(|policy| policy.verbs.retain(|verb| verb != "*")))
}

/// Asks another question than was put.
fn misheard(case: &Case, mishear: impl Fn(&mut Question) + 'static) -> Engine<'_> {
    let set = case.compiled(&case.policies());
    Box::new(move |question| {
        let mut question = question.clone();
        mishear(&mut question);
        decide(&set, &question)
    })
}

fn it_is_an_hour_later(case: &Case) -> Engine<'_> {
    misheard(case, |question| question.environment.now += Duration::HOUR)
}

fn a_mapped_address_is_any_other_of_ipv6(case: &Case) -> Engine<'_> {
    misheard(case, |question| {
        if let Some(IpAddr::V6(v6)) = &mut question.environment.client_addr {
            *v6 = v6.to_ipv4_mapped().map_or(*v6, |v4| v4.to_ipv6_compatible());
        }
    })
}

fn what_cannot_be_told_allows(case: &Case) -> Engine<'_> {
    let set = case.compiled(&case.policies());
    Box::new(move |question| {
        let Explanation { decision, unmet, .. } = set.explain(question.principal(), question.role, &question.request());
        let untold = unmet.iter().find(|policy| policy.conditions[0].outcome == Outcome::CannotBeTold);
        untold.map_or(decision, |policy| Decision::Allow(Allowed::ByPolicy(policy.id)))
    })
}

/// Asks once more without the policy that decided.
fn second_thoughts(case: &Case, about: impl Fn(&Explanation, Decision) -> bool + 'static) -> Engine<'_> {
    let set = case.compiled(&case.policies());
    Box::new(move |question| {
        let explanation = set.explain(question.principal(), question.role, &question.request());
        let others = |id| case.policies().into_iter().filter(|policy| policy.id != id).collect::<Vec<_>>();
        let second = explanation.policy.as_ref().map(|first| decide(&case.compiled(&others(first.id)), question));
        second.filter(|second| about(&explanation, *second)).unwrap_or(explanation.decision)
    })
}

fn what_cannot_be_told_does_not_deny(case: &Case) -> Engine<'_> {
    second_thoughts(case, |first, _| {
        let whole = first.policy.as_ref().and_then(|policy| policy.conditions.first());
        whole.is_some_and(|whole| whole.outcome == Outcome::CannotBeTold)
    })
}

fn another_policy_is_named(case: &Case) -> Engine<'_> {
    second_thoughts(case, |first, second| {
        let allows = |decision| matches!(decision, Decision::Allow(_));
        second != Decision::Deny(Denied::NoPolicyAllows) && allows(first.decision) == allows(second)
    })
}

#[rstest]
#[case::order(whoever_comes_first_decides)]
#[case::precedence(an_allow_outweighs_a_deny)]
#[case::effect(one_effect_is_the_other)]
#[case::conditions(conditions_are_ignored)]
#[case::every_member(every_member_is_nobody)]
#[case::verbs(a_star_is_a_verb_like_others)]
#[case::time(it_is_an_hour_later)]
#[case::address(a_mapped_address_is_any_other_of_ipv6)]
#[case::untold_allows(what_cannot_be_told_allows)]
#[case::untold_denies(what_cannot_be_told_does_not_deny)]
#[case::reason(another_policy_is_named)]
fn an_engine_that_errs_is_found(#[case] wrong: Wrong) {
    is_found(wrong);
}

#[rstest]
#[case::any_is_all(r#""any":"#, r#""all":"#)]
#[case::least_is_most(r#""at_least":"#, r#""at_most":"#)]
#[case::another_attribute(r#""tenant.plan""#, r#""tenant.contract_type""#)]
#[case::another_persons(r#""resource.owner""#, r#""subject.id""#)]
#[case::another_zone("Europe/Berlin", "UTC")]
#[case::another_day(r#""sat""#, r#""sun""#)]
#[case::another_range("10.0.0.0/8", "10.0.0.0/9")]
fn an_engine_that_misreads_conditions_is_found(#[case] this: &str, #[case] that: &str) {
    is_found(|case| {
        let conditions = case.given.iter().map(|(policy, condition)| match condition {
            Some(Some(condition)) => {
                let misread = condition.to_string().replace(this, that);
                StoredCondition::from(Some(serde_json::from_str(&misread).unwrap()))
            }
            _ => policy.condition.clone(),
        });
        let conditions: Vec<_> = conditions.collect();
        altered(case, |policies| {
            for (policy, condition) in policies.iter_mut().zip(&conditions) {
                policy.condition = condition.clone();
            }
        })
    });
}
