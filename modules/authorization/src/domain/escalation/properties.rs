//! What may be granted by the rule, held against what the engine decides: after a change that the rule lets pass, nobody
//! does what neither they nor the granter could do before.

use std::cell::Cell;

use kernel::contracts::{Decision, PolicyId, PolicySet, Principal, ResourceAttributes};
use proptest::{collection::vec, prelude::*, sample::subsequence, test_runner::TestRunner};
use uuid::Uuid;

use super::*;
use crate::domain::{
    CompiledPolicies,
    engine::generators::{GeneratedPolicy, TestRequest, policies, test_request, tenant},
};

/// The granter, in the role of number 0; the other is whoever asks, in the role of number 1.
const GRANTER: u128 = 0;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// Whose a resource is, as a literal, is the one thing that isn't the same to two people whose conditions read the same.
fn compares_owners(given: &GeneratedPolicy) -> bool {
    matches!(given, (_, Some(Some(json))) if json.to_string().contains("resource.owner"))
}

/// Policies as they were, and as somebody would have them: some gone, some come.
fn change() -> impl Strategy<Value = (Vec<Policy>, Vec<Policy>)> {
    let comparable = |given: Vec<GeneratedPolicy>| -> Vec<Policy> {
        given.into_iter().filter(|given| !compares_owners(given)).map(|(policy, _)| policy).collect()
    };
    (policies(), policies()).prop_flat_map(move |(old, new)| {
        let (old, mut new) = (comparable(old), comparable(new));
        for policy in &mut new {
            policy.id = PolicyId::new();
        }
        let (kept, come) = (subsequence(old.clone(), 0..=old.len()), subsequence(new.clone(), 0..=new.len().min(2)));
        (Just(old), kept, come).prop_map(|(old, kept, come)| (old, [kept, come].concat()))
    })
}

/// The granter in the other's place: what is the other's own is the granter's.
fn swapped(test_request: &TestRequest, other: UserId) -> TestRequest {
    let granter = UserId::from_uuid(id(GRANTER));
    let swap = |owner| match owner {
        owner if owner == other => granter,
        owner if owner == granter => other,
        owner => owner,
    };
    let resource = test_request.resource.map(|facts| ResourceAttributes { owner: facts.owner.map(swap) });
    TestRequest { user: granter, role: RoleId::from_uuid(id(0)), resource, ..test_request.clone() }
}

#[test]
fn grant_never_escalates_privileges() {
    let (passed, refused, newly_granted) = (Cell::new(0_u32), Cell::new(0_u32), Cell::new(0_u32));
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(8_000) };
    let inputs = (tenant(), change(), vec(test_request(), 12));
    let outcome = TestRunner::new(config).run(&inputs, |(facts, (old, new), test_requests)| {
        let role = RoleId::from_uuid(id(1));
        let granter = EffectivePermissions::of(&old, Some(RoleId::from_uuid(id(0))), Some(UserId::from_uuid(id(GRANTER))));
        let [from, to] = [&old, &new].map(|policies| EffectivePermissions::of(policies, Some(role), None));
        let unchanged = new.iter().filter(|policy| old.contains(policy)).map(|policy| policy.id).collect();
        let lacking = granter.first_escalation(&from, &to, &unchanged);
        // It saves looking, and makes no difference.
        prop_assert_eq!(lacking.is_some(), granter.first_escalation(&from, &to, &HashSet::new()).is_some());
        if lacking.is_some() {
            refused.set(refused.get() + 1);
            return Ok(());
        }
        passed.set(passed.get() + 1);
        let (before, after) = (CompiledPolicies::new(1, &old, &facts), CompiledPolicies::new(2, &new, &facts));
        for asked in test_requests {
            let test_request = TestRequest { role, ..asked };
            let allows = |policies: &CompiledPolicies, test_request: &TestRequest| {
                let decision = policies.decide(Principal::User(test_request.user), test_request.role, &test_request.request());
                matches!(decision, Decision::Allow(_))
            };
            if allows(&after, &test_request) && !allows(&before, &test_request) {
                newly_granted.set(newly_granted.get() + 1);
                prop_assert!(allows(&before, &swapped(&test_request, test_request.user)), "{test_request:?}");
            }
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let counts = (passed.get(), refused.get(), newly_granted.get());
    assert!(counts.0 > 1_000 && counts.1 > 1_000 && counts.2 > 100, "too little was tried: {counts:?}");
}
