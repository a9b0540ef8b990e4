//! Random people do random things in several tenants, with the ids of every other tenant in paths, bodies and headers.
//! Nothing of another tenant is ever read or changed, and a foreign id gets the same bytes as a missing one.
//!
//! A quick run is part of the tests; `just fuzz-tenants` is a long one. Each says its seed, and
//! `FUZZ_SEED=… cargo test -p tenantry --test e2e fuzz_tenants` takes the same steps again.

mod operations;
mod world;

use std::collections::BTreeMap;

use rstest::rstest;

use crate::client::{Answer, App, app};
use operations::{Operation, Slot, operations};
use world::{Person, World};

/// What an id in a request stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Own,
    Foreign,
}

#[rstest]
fn nobody_reads_or_changes_another_tenant(app: App) {
    run(app, 800);
}

#[rstest]
#[ignore = "many steps take minutes: `just fuzz-tenants`"]
fn nobody_reads_or_changes_another_tenant_in_a_long_run(app: App) {
    run(app, setting("FUZZ_STEPS").unwrap_or(20_000));
}

fn setting(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test run by hand is told its seed")]
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is a whole number")))
}

/// How often what hasn't succeeded yet is tried at the end.
const MOST_ROUNDS: usize = 500;

#[expect(clippy::print_stdout, reason = "who runs it by hand wants to know; otherwise only a failure shows it")]
fn run(app: App, steps: u64) {
    let seed = setting("FUZZ_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("FUZZ_SEED={seed} FUZZ_STEPS={steps}");
    let mut world = World::new(app, seed);
    let operations = operations(&world.app);
    // How often each operation was done, and how often it was tried with what belongs to others.
    let (mut done, mut compared) = (BTreeMap::new(), 0);
    // Each in its turn: by whom, where and with what is left to chance.
    for (number, operation) in (0..steps).zip(operations.iter().cycle()) {
        if number % 2_000 == 0 {
            world.sign_everybody_in();
        }
        if number % 20 == 0 {
            world.liven_up();
        }
        let step = world.step(operation);
        if step.succeeded {
            *done.entry(operation.name.clone()).or_insert(0_u64) += 1;
        }
        compared += u64::from(step.compared);
    }
    // What chance has left out so far is tried until it is done once; all of it again now and then, which makes what that
    // takes: an invitation, say, or a role that nobody has.
    for number in 0..MOST_ROUNDS {
        let left: Vec<_> = operations.iter().filter(|operation| !done.contains_key(&operation.name)).collect();
        if left.is_empty() {
            break;
        }
        world.liven_up();
        for operation in if number % 5 == 0 { operations.iter().collect() } else { left } {
            if world.step(operation).succeeded {
                *done.entry(operation.name.clone()).or_insert(0_u64) += 1;
            }
        }
    }
    println!("{compared} foreign ids compared with missing ones; done: {done:#?}");
    assert!(compared > steps / 20, "too few foreign ids were tried: {compared}");
    let never: Vec<_> = operations.iter().filter(|operation| !done.contains_key(&operation.name)).collect();
    assert!(never.is_empty(), "these never succeeded, so nothing was learnt of them: {never:?}");
}

struct Step {
    succeeded: bool,
    /// Whether a foreign id's answer was held against a missing one's.
    compared: bool,
}

impl World {
    /// One operation by somebody somewhere, and all that must hold of it.
    fn step(&mut self, operation: &Operation) -> Step {
        let person = self.rng.usize(..self.people.len());
        let before = self.look();
        let person = self.people[person].clone();
        let tenant = self.tenant_for(&person, &before);
        let whose = if self.rng.u8(..3) == 0 { Whose::Foreign } else { Whose::Own };
        let is_member = before.members.contains(&(tenant.clone(), person.id.clone()));
        let ids = self.ids(operation, &before, &tenant, whose, &person);
        let what = format!("{} in {tenant} by {} with {ids:?} ({whose:?})", operation.name, person.email);

        // What isn't there at all comes first: it changes nothing, and says what a foreign id must say.
        let has_ids = operation.slots.iter().any(|slot| !matches!(slot, Slot::Email | Slot::Name));
        let missing = (whose == Whose::Foreign && has_ids).then(|| {
            let nothing = ids.iter().map(|(slot, id)| (*slot, self.missing(*slot, id))).collect();
            self.send(operation, &person, &tenant, &nothing)
        });
        let unknown = operation.acts_in_a_tenant().then(|| self.send(operation, &person, &self.nowhere(), &ids));
        let answer = self.send(operation, &person, &tenant, &ids);
        let after = self.look();

        if let Some(missing) = &missing {
            assert_eq!((answer.status, &answer.body), (missing.status, &missing.body), "{what}: not as a missing one");
        }
        if let Some(unknown) = unknown {
            assert_eq!((unknown.status, unknown.problem()), (404, "tenant-not-found".into()), "{what}");
            if !is_member {
                assert_eq!((answer.status, &answer.body), (404, &unknown.body), "{what}: told from an unknown tenant");
            }
        }
        let succeeded = (200..300).contains(&answer.status);
        let may_change = operation.may_change(&answer, &tenant).filter(|_| succeeded);
        for (other, digest) in &before.tenants {
            if may_change.as_ref() != Some(other) {
                assert_eq!(after.tenants.get(other), Some(digest), "{what}: {other} has changed");
            }
        }
        let shown = may_change.clone().unwrap_or(tenant);
        let leak = before.leak(&answer.body, &shown, &person, operation.acts_in_a_tenant());
        assert_eq!(leak, None, "{what}: this is another tenant's\n{answer}");
        assert!(answer.status < 500, "{what}: {answer}");
        self.learn(&answer);
        Step { succeeded, compared: missing.is_some() }
    }

    fn send(&self, operation: &Operation, person: &Person, tenant: &str, ids: &world::Ids) -> Answer {
        let (path, body) = operation.fill(ids);
        let client = person.client.within(tenant);
        match body {
            Some(body) => client.with("Content-Type", "application/json").send(&operation.method, &path, Some(&body)),
            None => client.send(&operation.method, &path, None),
        }
    }
}
