//! Differential test: compares the engine's decisions with Cedar's, for the same policies and requests. The crate
//! `cedar_oracle` translates the policies.

use std::{cell::RefCell, collections::BTreeMap};

use cedar_oracle::{CedarOracle, OracleDecision, PolicyCondition, PolicyInput};
use kernel::Truth;
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestCaseResult, TestRunner},
};

use super::{
    super::StoredCondition,
    generators::{GeneratedCondition, GeneratedPolicy, TestRequest, policies, tenant, test_request},
    *,
};

mod mutants;

const CASES: u32 = 1_000;
const REQUESTS_PER_CASE: usize = 25;

#[derive(Debug, Clone)]
struct Case {
    tenant: TenantAttributes,
    generated: Vec<GeneratedPolicy>,
    test_requests: Vec<TestRequest>,
}

fn case() -> impl Strategy<Value = Case> {
    (tenant(), policies(), vec(test_request(), REQUESTS_PER_CASE)).prop_map(|(tenant, generated, test_requests)| Case {
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
        CompiledPolicies::new(PolicyVersion::for_test(1), policies, &self.tenant)
    }

    fn cedar_oracle(&self) -> CedarOracle {
        let policies: Vec<_> = self.generated.iter().map(oracle_policy).collect();
        let TenantAttributes { id, plan, contract_type, features, seat_limit } = &self.tenant;
        let tenant = cedar_oracle::Tenant { id: *id, plan, contract_type, features, seat_limit: (*seat_limit).into() };
        CedarOracle::new(&policies, &tenant).unwrap()
    }
}

fn oracle_policy((policy, condition): &GeneratedPolicy) -> PolicyInput<'_> {
    let Policy { id, role_id, effect, resource, verbs, .. } = policy;
    let condition = match condition {
        GeneratedCondition::Always => PolicyCondition::Always,
        GeneratedCondition::If(condition) => PolicyCondition::If(condition),
        GeneratedCondition::Invalid => PolicyCondition::Invalid,
    };
    PolicyInput { id: *id, role: *role_id, denies: *effect == Effect::Deny, resource, verbs, condition }
}

/// Decides the requests of a case.
type Engine<'a> = Box<dyn Fn(&TestRequest) -> Decision + 'a>;

fn decide(compiled: &CompiledPolicies, test_request: &TestRequest) -> Decision {
    compiled.decide(test_request.principal(), test_request.role, &test_request.request())
}

fn real_engine(case: &Case) -> Engine<'_> {
    let compiled = case.compiled(&case.policies());
    Box::new(move |test_request| decide(&compiled, test_request))
}

/// Returns the engine's expected decision, given Cedar's. Of the applicable policies with the deciding effect, the engine
/// reports an unconditional one first, then the lowest id.
fn expected_decision(oracle: &OracleDecision, generated: &[GeneratedPolicy]) -> Decision {
    let is_conditional = |id: &PolicyId| {
        generated.iter().any(|(policy, condition)| policy.id == *id && *condition != GeneratedCondition::Always)
    };
    let rank = |id: &PolicyId| (is_conditional(id), *id);
    match oracle.reasons.iter().copied().min_by_key(rank) {
        Some(id) if oracle.allows => Decision::Allow(AllowReason::ByPolicy(id)),
        Some(id) => Decision::Deny(DenyReason::ByPolicy(id)),
        None => Decision::Deny(DenyReason::NoPolicyAllows),
    }
}

fn check_agreement(case: &Case, engine: &Engine<'_>) -> TestCaseResult {
    let cedar = case.cedar_oracle();
    for test_request in &case.test_requests {
        let (principal, request) = (test_request.principal(), test_request.request());
        let entities = cedar.entities(principal, test_request.role, &request).unwrap();
        let oracle = cedar.evaluate(&cedar.request(principal, &request).unwrap(), &entities).unwrap();
        prop_assert!(oracle.errors.is_empty(), "{:?}", oracle.errors);
        prop_assert_eq!(oracle.allows, matches!(engine(test_request), Decision::Allow(_)), "{:?}", test_request);
        prop_assert_eq!(expected_decision(&oracle, &case.generated), engine(test_request), "{:?}", test_request);
    }
    Ok(())
}

fn runner(cases: u32, max_shrink_iters: u32) -> TestRunner {
    TestRunner::new(Config { cases, max_shrink_iters, failure_persistence: None, ..Config::default() })
}

/// Counts how often each decision path and each outcome of each kind of condition occurred.
#[derive(Default)]
struct Tally(BTreeMap<String, usize>);

impl Tally {
    fn count(&mut self, case: &Case) {
        let compiled = case.compiled(&case.policies());
        for test_request in &case.test_requests {
            let Explanation { decision, policy, unmet } =
                compiled.explain(test_request.principal(), test_request.role, &test_request.request());
            let root = policy.as_ref().and_then(|policy| policy.conditions.first());
            let path = match (decision, root.map(|root| (root.kind, root.outcome))) {
                (Decision::Allow(_), None) => "allowed",
                (Decision::Allow(_), Some(_)) => "allowed conditionally",
                (Decision::Deny(DenyReason::NoPolicyAllows), _) if unmet.is_empty() => "no policy",
                (Decision::Deny(DenyReason::NoPolicyAllows), _) => "no policy with a true condition",
                (Decision::Deny(_), None) => "denied",
                (Decision::Deny(_), Some(("invalid", _))) => "denied by an invalid condition",
                (Decision::Deny(_), Some((_, Truth::Indeterminate))) => "denied by an indeterminate condition",
                (Decision::Deny(_), Some(_)) => "denied conditionally",
            };
            *self.0.entry(path.into()).or_default() += 1;
            for part in policy.iter().chain(&unmet).flat_map(|policy| &policy.conditions) {
                *self.0.entry(format!("{} {:?}", part.kind, part.outcome)).or_default() += 1;
            }
        }
    }

    fn assert_min_count(&self, name: &str, min: usize) {
        let count = self.0.get(name).copied().unwrap_or(0);
        assert!(count >= min, "too few occurrences of {name}: {count}, expected at least {min}: {:?}", self.0);
    }
}

#[test]
fn engine_agrees_with_cedar() {
    let tally = RefCell::new(Tally::default());
    let result = runner(CASES, 1_000).run(&case(), |case| {
        tally.borrow_mut().count(&case);
        check_agreement(&case, &real_engine(&case))
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let tally = tally.into_inner();
    for path in [
        "allowed",
        "allowed conditionally",
        "denied",
        "denied conditionally",
        "denied by an invalid condition",
        "denied by an indeterminate condition",
        "no policy",
        "no policy with a true condition",
    ] {
        tally.assert_min_count(path, 300);
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
