//! Random people do random things in several tenants, with the ids of every other tenant in paths, bodies and headers.
//! Nothing of another tenant is ever read or changed, and a foreign id gets the same bytes as a missing one.
//!
//! A quick run is part of the tests; `just fuzz-tenants` is a long one. Each says its seed, and
//! `FUZZ_SEED=… cargo test -p tenantry --test e2e fuzz_tenants` takes the same steps again.

mod operations;
mod model;

use std::collections::BTreeMap;

use rstest::rstest;

use crate::client::{Response, TestApp, app};
use operations::{Operation, Slot, operations};
use model::{User, Model};

/// What an id in a request stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IdSource {
    Own,
    Foreign,
}

#[rstest]
fn tenants_are_isolated(app: TestApp) {
    run(app, 800);
}

#[rstest]
#[ignore = "many steps take minutes: `just fuzz-tenants`"]
fn tenants_are_isolated_long(app: TestApp) {
    run(app, env_number("FUZZ_STEPS").unwrap_or(20_000));
}

fn env_number(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test run by hand is told its seed")]
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is a whole number")))
}

/// How often what hasn't succeeded yet is tried at the end.
const MAX_EXTRA_ROUNDS: usize = 500;

#[expect(clippy::print_stdout, reason = "who runs it by hand wants to know; otherwise only a failure shows it")]
fn run(app: TestApp, steps: u64) {
    let seed = env_number("FUZZ_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("FUZZ_SEED={seed} FUZZ_STEPS={steps}");
    let mut model = Model::new(app, seed);
    let operations = operations(&model.app);
    // How often each operation was done, and how often it was tried with what belongs to others.
    let (mut done, mut compared) = (BTreeMap::new(), 0);
    // Each in its turn: by whom, where and with what is left to chance.
    for (number, operation) in (0..steps).zip(operations.iter().cycle()) {
        if number % 2_000 == 0 {
            model.sign_in_all();
        }
        if number % 20 == 0 {
            model.repopulate();
        }
        let step = model.step(operation);
        if step.succeeded {
            *done.entry(operation.name.clone()).or_insert(0_u64) += 1;
        }
        compared += u64::from(step.compared);
    }
    // What chance has left out so far is tried until it is done once; all of it again now and then, which makes what that
    // takes: an invitation, say, or a role that nobody has.
    for number in 0..MAX_EXTRA_ROUNDS {
        let left: Vec<_> = operations.iter().filter(|operation| !done.contains_key(&operation.name)).collect();
        if left.is_empty() {
            break;
        }
        model.repopulate();
        for operation in if number % 5 == 0 { operations.iter().collect() } else { left } {
            if model.step(operation).succeeded {
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

impl Model {
    /// One operation by somebody somewhere, and all that must hold of it.
    fn step(&mut self, operation: &Operation) -> Step {
        let user = self.rng.usize(..self.users.len());
        let before = self.snapshot();
        let user = self.users[user].clone();
        let tenant = self.pick_tenant(&user, &before);
        let id_source = if self.rng.u8(..3) == 0 { IdSource::Foreign } else { IdSource::Own };
        let is_member = before.members.contains(&(tenant.clone(), user.id.clone()));
        let ids = self.pick_ids(operation, &before, &tenant, id_source, &user);
        let what = format!("{} in {tenant} by {} with {ids:?} ({id_source:?})", operation.name, user.email);

        // What isn't there at all comes first: it changes nothing, and says what a foreign id must say.
        let has_ids = operation.slots.iter().any(|slot| !matches!(slot, Slot::Email | Slot::Name));
        let missing = (id_source == IdSource::Foreign && has_ids).then(|| {
            let nothing = ids.iter().map(|(slot, id)| (*slot, self.missing_id(*slot, id))).collect();
            self.send(operation, &user, &tenant, &nothing)
        });
        let unknown = operation.is_tenant_scoped().then(|| self.send(operation, &user, &self.unknown_tenant(), &ids));
        let response = self.send(operation, &user, &tenant, &ids);
        let after = self.snapshot();

        if let Some(missing) = &missing {
            assert_eq!((response.status, &response.body), (missing.status, &missing.body), "{what}: not as a missing one");
        }
        if let Some(unknown) = unknown {
            assert_eq!((unknown.status, unknown.problem()), (404, "tenant-not-found".into()), "{what}");
            if !is_member {
                assert_eq!((response.status, &response.body), (404, &unknown.body), "{what}: told from an unknown tenant");
            }
        }
        let succeeded = (200..300).contains(&response.status);
        let changeable_tenant = operation.changeable_tenant(&response, &tenant).filter(|_| succeeded);
        for (other, digest) in &before.tenants {
            if changeable_tenant.as_ref() != Some(other) {
                assert_eq!(after.tenants.get(other), Some(digest), "{what}: {other} has changed");
            }
        }
        let shown = changeable_tenant.clone().unwrap_or(tenant);
        let leaked = before.find_leak(&response.body, &shown, &user, operation.is_tenant_scoped());
        assert_eq!(leaked, None, "{what}: this is another tenant's\n{response}");
        assert!(response.status < 500, "{what}: {response}");
        self.record_invitation_token(&response);
        Step { succeeded, compared: missing.is_some() }
    }

    fn send(&self, operation: &Operation, user: &User, tenant: &str, ids: &model::Ids) -> Response {
        let (path, body) = operation.fill(ids);
        let client = user.client.in_tenant(tenant);
        match body {
            Some(body) => client.with_header("Content-Type", "application/json").send(&operation.method, &path, Some(&body)),
            None => client.send(&operation.method, &path, None),
        }
    }
}
