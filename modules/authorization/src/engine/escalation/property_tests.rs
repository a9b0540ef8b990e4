//! Tests the escalation check against the engine. After a change that passes the check, the engine allows a subject only
//! what the subject or the caller was allowed before.

use std::cell::Cell;

use kernel::{Decision, PolicyId, PolicySet, Principal, ResourceAttributes};
use proptest::{collection::vec, prelude::*, sample::subsequence, test_runner::TestRunner};
use uuid::Uuid;

use super::*;
use crate::engine::{
    CompiledPolicies, PolicyVersion,
    compiled_policies::generators::{GeneratedCondition, GeneratedPolicy, TestRequest, policies, tenant, test_request},
};

/// The number from which the ids of the caller and of the caller's role are made. The role of each request's subject has
/// the id of number 1.
const CALLER: u128 = 0;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// Comparing the owner with a literal id is the only condition that can differ between two users despite equal text.
fn compares_owners(given: &GeneratedPolicy) -> bool {
    matches!(given, (_, GeneratedCondition::If(json)) if json.to_string().contains("resource.owner"))
}

/// Policies before and after a change that removes some and adds some.
fn change() -> impl Strategy<Value = (Vec<Policy>, Vec<Policy>)> {
    let comparable = |given: Vec<GeneratedPolicy>| -> Vec<Policy> {
        given.into_iter().filter(|given| !compares_owners(given)).map(|(policy, _)| policy).collect()
    };
    (policies(), policies()).prop_flat_map(move |(old, new)| {
        let (old, mut new) = (comparable(old), comparable(new));
        for policy in &mut new {
            policy.id = PolicyId::new();
        }
        let (kept, added) = (subsequence(old.clone(), 0..=old.len()), subsequence(new.clone(), 0..=new.len().min(2)));
        (Just(old), kept, added).prop_map(|(old, kept, added)| (old, [kept, added].concat()))
    })
}

/// Returns the same request by the caller, who swaps resources with the subject.
fn as_caller(test_request: &TestRequest, subject: UserId) -> TestRequest {
    let caller = UserId::from_uuid(id(CALLER));
    let swap = |owner| match owner {
        owner if owner == subject => caller,
        owner if owner == caller => subject,
        owner => owner,
    };
    let resource = test_request.resource.map(|attributes| ResourceAttributes { owner: attributes.owner.map(swap) });
    TestRequest { user: caller, role: RoleId::from_uuid(id(0)), resource, ..test_request.clone() }
}

#[test]
fn grant_never_escalates_privileges() {
    let (passed, rejected, gained) = (Cell::new(0_u32), Cell::new(0_u32), Cell::new(0_u32));
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(8_000) };
    let inputs = (tenant(), change(), vec(test_request(), 12));
    let outcome = TestRunner::new(config).run(&inputs, |(attributes, (old, new), test_requests)| {
        let role = RoleId::from_uuid(id(1));
        let [old_prepared, new_prepared] = [&old, &new].map(|policies| PreparedPolicies::new(policies));
        let caller = EffectivePermissions::for_subject(
            &old_prepared,
            Some(RoleId::from_uuid(id(0))),
            Some(UserId::from_uuid(id(CALLER))),
        );
        let [before, after] = [&old_prepared, &new_prepared]
            .map(|policies| EffectivePermissions::for_subject(policies, Some(role), None));
        let unchanged = new.iter().filter(|policy| old.contains(policy)).map(|policy| policy.id).collect();
        let escalation = caller.first_escalation(&before, &after, &unchanged);
        // Skipping unchanged policies is an optimization that must not affect the result.
        prop_assert_eq!(escalation.is_some(), caller.first_escalation(&before, &after, &HashSet::new()).is_some());
        if escalation.is_some() {
            rejected.set(rejected.get() + 1);
            return Ok(());
        }
        passed.set(passed.get() + 1);
        let [old_set, new_set] =
            [&old, &new].map(|policies| CompiledPolicies::new(PolicyVersion::for_test(1), policies, &attributes));
        for test_request in test_requests {
            let test_request = TestRequest { role, ..test_request };
            let allows = |policies: &CompiledPolicies, test_request: &TestRequest| {
                let decision =
                    policies.decide(Principal::User(test_request.user), test_request.role, &test_request.request());
                matches!(decision, Decision::Allow(_))
            };
            if allows(&new_set, &test_request) && !allows(&old_set, &test_request) {
                gained.set(gained.get() + 1);
                prop_assert!(allows(&old_set, &as_caller(&test_request, test_request.user)), "{test_request:?}");
            }
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let counts = (passed.get(), rejected.get(), gained.get());
    assert!(counts.0 > 1_000 && counts.1 > 1_000 && counts.2 > 100, "too few cases were generated: {counts:?}");
}
