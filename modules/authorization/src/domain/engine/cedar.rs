//! Cedar's answers beside the engine's, to the same questions about the same policies; `in_cedar` has said them in Cedar.

use std::{cell::RefCell, collections::BTreeMap};

use in_cedar::{Answer, InCedar, Stored, When};
use kernel::contracts::Outcome;
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestCaseResult, TestRunner},
};

use super::{
    super::StoredCondition,
    generators::{Given, Question, policies, question, tenant},
    *,
};

mod wrong;

const TENANTS: u32 = 1_000;
const QUESTIONS: usize = 25;

#[derive(Debug, Clone)]
struct Case {
    tenant: TenantFacts,
    given: Vec<Given>,
    questions: Vec<Question>,
}

fn case() -> impl Strategy<Value = Case> {
    (tenant(), policies(), vec(question(), QUESTIONS)).prop_map(|(tenant, given, questions)| Case {
        tenant,
        given,
        questions,
    })
}

impl Case {
    fn policies(&self) -> Vec<Policy> {
        self.given.iter().map(|(policy, _)| policy.clone()).collect()
    }

    fn compiled(&self, policies: &[Policy]) -> CompiledPolicies {
        CompiledPolicies::new(1, policies, &self.tenant)
    }

    fn in_cedar(&self) -> InCedar {
        let stored: Vec<_> = self.given.iter().map(stored).collect();
        let TenantFacts { id, plan, contract_type, features, max_users } = &self.tenant;
        let tenant = in_cedar::Tenant { id: *id, plan, contract_type, features, max_users: (*max_users).into() };
        InCedar::new(&stored, &tenant).unwrap()
    }
}

fn stored((policy, condition): &Given) -> Stored<'_> {
    let Policy { id, role_id, effect, resource, verbs, .. } = policy;
    let when = match condition {
        None => When::Always,
        Some(Some(condition)) => When::If(condition),
        Some(None) => When::Unreadable,
    };
    Stored { id: *id, role: *role_id, denies: *effect == Effect::Deny, resource, verbs, when }
}

/// Something that decides a case's questions.
type Engine<'a> = Box<dyn Fn(&Question) -> Decision + 'a>;

fn decide(set: &CompiledPolicies, question: &Question) -> Decision {
    set.decide(question.principal(), question.role, &question.request())
}

fn ours(case: &Case) -> Engine<'_> {
    let set = case.compiled(&case.policies());
    Box::new(move |question| decide(&set, question))
}

/// What the engine should say by Cedar's answer: of the policies with the deciding effect that apply, it names one without
/// a condition before those with one, and then the lowest id.
fn expected(answer: &Answer, given: &[Given]) -> Decision {
    let rank = |id: &PolicyId| (given.iter().any(|(policy, when)| policy.id == *id && when.is_some()), *id);
    match answer.reasons.iter().copied().min_by_key(rank) {
        Some(id) if answer.allows => Decision::Allow(Allowed::ByPolicy(id)),
        Some(id) => Decision::Deny(Denied::ByPolicy(id)),
        None => Decision::Deny(Denied::NoPolicyAllows),
    }
}

fn same_answers(case: &Case, engine: &Engine<'_>) -> TestCaseResult {
    let cedar = case.in_cedar();
    for question in &case.questions {
        let (principal, request) = (question.principal(), question.request());
        let entities = cedar.entities(principal, question.role, &request).unwrap();
        let answer = cedar.ask(&cedar.request(principal, &request).unwrap(), &entities).unwrap();
        prop_assert!(answer.errors.is_empty(), "{:?}", answer.errors);
        prop_assert_eq!(answer.allows, matches!(engine(question), Decision::Allow(_)), "{:?}", question);
        prop_assert_eq!(expected(&answer, &case.given), engine(question), "{:?}", question);
    }
    Ok(())
}

fn runner(cases: u32, max_shrink_iters: u32) -> TestRunner {
    TestRunner::new(Config { cases, max_shrink_iters, failure_persistence: None, ..Config::default() })
}

/// How often each way of coming to an answer was met, and each outcome of each kind of condition.
#[derive(Default)]
struct Tally(BTreeMap<String, usize>);

impl Tally {
    fn count(&mut self, case: &Case) {
        let set = case.compiled(&case.policies());
        for question in &case.questions {
            let Explanation { decision, policy, unmet } =
                set.explain(question.principal(), question.role, &question.request());
            let whole = policy.as_ref().and_then(|policy| policy.conditions.first());
            let way = match (decision, whole.map(|whole| (whole.kind, whole.outcome))) {
                (Decision::Allow(_), None) => "allowed",
                (Decision::Allow(_), Some(_)) => "allowed under a condition",
                (Decision::Deny(Denied::NoPolicyAllows), _) if unmet.is_empty() => "no policy",
                (Decision::Deny(Denied::NoPolicyAllows), _) => "no policy whose condition is met",
                (Decision::Deny(_), None) => "denied",
                (Decision::Deny(_), Some(("unreadable", _))) => "denied under a condition that can't be read",
                (Decision::Deny(_), Some((_, Outcome::CannotBeTold))) => "denied under a condition that can't be told",
                (Decision::Deny(_), Some(_)) => "denied under a condition",
            };
            *self.0.entry(way.into()).or_default() += 1;
            for part in policy.iter().chain(&unmet).flat_map(|policy| &policy.conditions) {
                *self.0.entry(format!("{} {:?}", part.kind, part.outcome)).or_default() += 1;
            }
        }
    }

    fn assert_often(&self, what: &str, least: usize) {
        let times = self.0.get(what).copied().unwrap_or(0);
        assert!(times >= least, "{what}: {times} times, which is too seldom to say anything: {:?}", self.0);
    }
}

#[test]
fn cedar_gives_the_same_answers_for_the_same_reasons() {
    let tally = RefCell::new(Tally::default());
    let found = runner(TENANTS, 1_000).run(&case(), |case| {
        tally.borrow_mut().count(&case);
        same_answers(&case, &ours(&case))
    });
    if let Err(difference) = found {
        panic!("{difference}");
    }
    let tally = tally.into_inner();
    for way in [
        "allowed",
        "allowed under a condition",
        "denied",
        "denied under a condition",
        "denied under a condition that can't be read",
        "denied under a condition that can't be told",
        "no policy",
        "no policy whose condition is met",
    ] {
        tally.assert_often(way, 300);
    }
    for kind in ["all", "any", "not", "owner", "attribute", "client_addr"] {
        for outcome in [Outcome::Held, Outcome::DidNotHold, Outcome::CannotBeTold] {
            tally.assert_often(&format!("{kind} {outcome:?}"), 30);
        }
    }
    for kind in ["feature", "plan", "time"] {
        for outcome in [Outcome::Held, Outcome::DidNotHold] {
            tally.assert_often(&format!("{kind} {outcome:?}"), 30);
        }
    }
}
