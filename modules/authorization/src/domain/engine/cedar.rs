//! Cedar's answers beside the engine's, to the same questions about the same policies; `cedar_oracle` has said them in Cedar.

use std::{cell::RefCell, collections::BTreeMap};

use cedar_oracle::{OracleDecision, CedarOracle, StoredPolicy, PolicyCondition};
use kernel::contracts::Truth;
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestCaseResult, TestRunner},
};

use super::{
    super::StoredCondition,
    generators::{GeneratedPolicy, TestRequest, policies, test_request, tenant},
    *,
};

mod mutants;

const TENANTS: u32 = 1_000;
const REQUESTS_PER_TENANT: usize = 25;

#[derive(Debug, Clone)]
struct Case {
    tenant: TenantAttributes,
    generated: Vec<GeneratedPolicy>,
    test_requests: Vec<TestRequest>,
}

fn case() -> impl Strategy<Value = Case> {
    (tenant(), policies(), vec(test_request(), REQUESTS_PER_TENANT)).prop_map(|(tenant, generated, test_requests)| Case {
        tenant,
        generated,
        test_requests,
    })
}

impl Case {
    fn policies(&self) -> Vec<Policy> {
        self.generated.iter().map(|(policy, _)| policy.clone()).collect()
    }

    fn compiled(&self, policies: &[Policy]) -> CompiledPolicies {
        CompiledPolicies::new(1, policies, &self.tenant)
    }

    fn cedar_oracle(&self) -> CedarOracle {
        let oracle_policy: Vec<_> = self.generated.iter().map(oracle_policy).collect();
        let TenantAttributes { id, plan, contract_type, features, seat_limit } = &self.tenant;
        let tenant = cedar_oracle::Tenant { id: *id, plan, contract_type, features, seat_limit: (*seat_limit).into() };
        CedarOracle::new(&oracle_policy, &tenant).unwrap()
    }
}

fn oracle_policy((policy, condition): &GeneratedPolicy) -> StoredPolicy<'_> {
    let Policy { id, role_id, effect, resource, verbs, .. } = policy;
    let when = match condition {
        None => PolicyCondition::Always,
        Some(Some(condition)) => PolicyCondition::If(condition),
        Some(None) => PolicyCondition::Invalid,
    };
    StoredPolicy { id: *id, role: *role_id, denies: *effect == Effect::Deny, resource, verbs, when }
}

/// Something that decides a case's questions.
type Engine<'a> = Box<dyn Fn(&TestRequest) -> Decision + 'a>;

fn decide(set: &CompiledPolicies, test_request: &TestRequest) -> Decision {
    set.decide(test_request.principal(), test_request.role, &test_request.request())
}

fn real_engine(case: &Case) -> Engine<'_> {
    let set = case.compiled(&case.policies());
    Box::new(move |test_request| decide(&set, test_request))
}

/// What the engine should say by Cedar's answer: of the policies with the deciding effect that apply, it names one without
/// a condition before those with one, and then the lowest id.
fn expected_decision(answer: &OracleDecision, generated: &[GeneratedPolicy]) -> Decision {
    let rank = |id: &PolicyId| (generated.iter().any(|(policy, when)| policy.id == *id && when.is_some()), *id);
    match answer.reasons.iter().copied().min_by_key(rank) {
        Some(id) if answer.allows => Decision::Allow(AllowReason::ByPolicy(id)),
        Some(id) => Decision::Deny(DenyReason::ByPolicy(id)),
        None => Decision::Deny(DenyReason::NoPolicyAllows),
    }
}

fn check_agreement(case: &Case, engine: &Engine<'_>) -> TestCaseResult {
    let cedar = case.cedar_oracle();
    for test_request in &case.test_requests {
        let (principal, request) = (test_request.principal(), test_request.request());
        let entities = cedar.entities(principal, test_request.role, &request).unwrap();
        let answer = cedar.evaluate(&cedar.request(principal, &request).unwrap(), &entities).unwrap();
        prop_assert!(answer.errors.is_empty(), "{:?}", answer.errors);
        prop_assert_eq!(answer.allows, matches!(engine(test_request), Decision::Allow(_)), "{:?}", test_request);
        prop_assert_eq!(expected_decision(&answer, &case.generated), engine(test_request), "{:?}", test_request);
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
        for test_request in &case.test_requests {
            let Explanation { decision, policy, unmet } =
                set.explain(test_request.principal(), test_request.role, &test_request.request());
            let whole = policy.as_ref().and_then(|policy| policy.conditions.first());
            let way = match (decision, whole.map(|whole| (whole.kind, whole.outcome))) {
                (Decision::Allow(_), None) => "allowed",
                (Decision::Allow(_), Some(_)) => "allowed under a condition",
                (Decision::Deny(DenyReason::NoPolicyAllows), _) if unmet.is_empty() => "no policy",
                (Decision::Deny(DenyReason::NoPolicyAllows), _) => "no policy whose condition is met",
                (Decision::Deny(_), None) => "denied",
                (Decision::Deny(_), Some(("invalid", _))) => "denied under a condition that can't be read",
                (Decision::Deny(_), Some((_, Truth::Indeterminate))) => "denied under a condition that can't be told",
                (Decision::Deny(_), Some(_)) => "denied under a condition",
            };
            *self.0.entry(way.into()).or_default() += 1;
            for part in policy.iter().chain(&unmet).flat_map(|policy| &policy.conditions) {
                *self.0.entry(format!("{} {:?}", part.kind, part.outcome)).or_default() += 1;
            }
        }
    }

    fn assert_min_count(&self, what: &str, least: usize) {
        let times = self.0.get(what).copied().unwrap_or(0);
        assert!(times >= least, "{what}: {times} times, which is too seldom to say anything: {:?}", self.0);
    }
}

#[test]
fn engine_agrees_with_cedar() {
    let tally = RefCell::new(Tally::default());
    let found = runner(TENANTS, 1_000).run(&case(), |case| {
        tally.borrow_mut().count(&case);
        check_agreement(&case, &real_engine(&case))
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
        tally.assert_min_count(way, 300);
    }
    for kind in ["all", "any", "not", "owner", "attribute", "client_addr"] {
        for outcome in [Truth::True, Truth::False, Truth::Indeterminate] {
            tally.assert_min_count(&format!("{kind} {outcome:?}"), 30);
        }
    }
    for kind in ["feature", "plan", "time"] {
        for outcome in [Truth::True, Truth::False] {
            tally.assert_min_count(&format!("{kind} {outcome:?}"), 30);
        }
    }
}
