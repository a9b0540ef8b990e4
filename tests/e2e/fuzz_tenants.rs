//! Fuzz test of tenant isolation. Random users send random requests in several tenants, with ids of other tenants in
//! paths, bodies and headers. No request may read or change another tenant, and the response to a foreign id must equal
//! the response to a missing one.
//!
//! A short run is part of the tests; `just fuzz-tenants` is a long run. Each prints its seed, and repeats the run with
//! the seed in `FUZZ_SEED`. The short one is `cargo test -p tenantry --test e2e fuzz_tenants`.

mod model;
mod operations;

use rstest::rstest;

use crate::client::{Response, TestApp, app};
use model::{Model, User};
use operations::{Operation, Slot, operations};

/// Whether the ids in a request belong to the tenant of the request or to another one.
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
#[ignore = "takes minutes: run `just fuzz-tenants`"]
fn tenants_are_isolated_long(app: TestApp) {
    run(app, env_number("FUZZ_STEPS").unwrap_or(20_000));
}

fn env_number(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a developer passes the seed of a run")]
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} must be a whole number")))
}

/// Number of tenants at which no more are created. Every step compares the rows of all tenants.
const MAX_TENANTS: usize = 30;

/// Maximum number of extra rounds for operations that haven't succeeded in the random steps.
const MAX_EXTRA_ROUNDS: usize = 500;

#[expect(clippy::print_stdout, reason = "a failure needs the seed, and a long run prints its result")]
fn run(app: TestApp, steps: u64) {
    let seed = env_number("FUZZ_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("FUZZ_SEED={seed} FUZZ_STEPS={steps}");
    let mut model = Model::new(app, seed);
    let operations = operations(&model.app);
    let not_succeeded = |model: &Model| -> Vec<&Operation> {
        operations.iter().filter(|operation| !model.succeeded.contains_key(&operation.name)).collect()
    };
    // The operations take turns; user, tenant and ids are random.
    for (number, operation) in (0..steps).zip(operations.iter().cycle()) {
        if number % 2_000 == 0 {
            model.sign_in_all();
        }
        if number % 20 == 0 {
            model.repopulate();
        }
        model.step(operation);
        if number % 1_000 == 999 {
            println!("{} of {steps} steps", number + 1);
        }
    }
    let compared = model.compared;
    // Operations that haven't succeeded are repeated until they have. Every fifth round runs all operations, which creates
    // what the others need, such as an invitation or a role without members.
    for number in 0..MAX_EXTRA_ROUNDS {
        let remaining = not_succeeded(&model);
        if remaining.is_empty() {
            break;
        }
        model.repopulate();
        for operation in if number % 5 == 0 { operations.iter().collect() } else { remaining } {
            model.step(operation);
        }
    }
    println!("{compared} foreign ids compared with missing ones; succeeded: {:#?}", model.succeeded);
    assert!(compared > steps / 20, "only {compared} foreign ids were compared");
    let failed = not_succeeded(&model);
    assert!(failed.is_empty(), "never succeeded, so not tested: {failed:?}");
}

impl Model {
    /// Runs one operation as a random user in a random tenant and checks all invariants. Skips the creation of a tenant
    /// if there are enough.
    fn step(&mut self, operation: &Operation) {
        if operation.name == "POST /v1/tenants" && self.current.tenants.len() >= MAX_TENANTS {
            return;
        }
        let user = self.pick_user(operation);
        let before = std::mem::take(&mut self.current);
        let tenant = self.pick_tenant(operation, &user, &before);
        let id_source = if self.rng.u8(..3) == 0 { IdSource::Foreign } else { IdSource::Own };
        let is_member = before.is_member(&tenant, &user);
        let ids = self.pick_ids(operation, &before, &tenant, id_source, &user);
        let what = format!("{} in {tenant} by {} with {ids:?} ({id_source:?})", operation.name, user.email);

        // The request with missing ids comes first: it changes nothing, and its response is the expected one.
        let has_ids = operation.slots.iter().any(|slot| !matches!(slot, Slot::Email | Slot::Name));
        let missing = (id_source == IdSource::Foreign && has_ids).then(|| {
            let missing_ids = ids.iter().map(|(slot, id)| (*slot, self.missing_id(*slot, id))).collect();
            self.send(operation, &user, &tenant, &missing_ids)
        });
        let unknown = operation.is_tenant_scoped().then(|| self.send(operation, &user, &self.unknown_tenant(), &ids));
        let response = self.send(operation, &user, &tenant, &ids);
        let after = self.snapshot();

        if let Some(missing) = &missing {
            assert_eq!(
                (response.status, &response.body),
                (missing.status, &missing.body),
                "{what}: differs from a missing id"
            );
        }
        if let Some(unknown) = unknown {
            assert_eq!(unknown.outcome(), "404 tenant-not-found", "{what}");
            if !is_member {
                assert_eq!(
                    (response.status, &response.body),
                    (404, &unknown.body),
                    "{what}: differs from an unknown tenant"
                );
            }
        }
        let succeeded = (200..300).contains(&response.status);
        let changeable_tenant = operation.changeable_tenant(&response, &tenant).filter(|_| succeeded);
        for (other, rows) in &before.tenants {
            if changeable_tenant.as_ref() != Some(other) {
                assert_eq!(after.tenants.get(other), Some(rows), "{what}: {other} has changed");
            }
        }
        for changed in
            before.tenants.keys().filter(|tenant| before.rows_without_log(tenant) != after.rows_without_log(tenant))
        {
            let is_audited = after.audit_record_count(changed) > before.audit_record_count(changed);
            assert!(is_audited, "{what}: {changed} has changed without an audit event");
        }
        let visible_tenant = changeable_tenant.clone().unwrap_or(tenant);
        let leaked = before.find_leak(&response.body, &visible_tenant, &user, operation.is_tenant_scoped());
        assert_eq!(leaked, None, "{what}: the response contains an identifier of another tenant\n{response}");
        assert!(response.status < 500, "{what}: {response}");
        self.record_invitation_token(&response);
        if succeeded {
            *self.succeeded.entry(operation.name.clone()).or_default() += 1;
        }
        self.compared += u64::from(missing.is_some());
        self.current = after;
    }

    fn send(&self, operation: &Operation, user: &User, tenant: &str, ids: &model::Ids) -> Response {
        let (path, body) = operation.fill(ids);
        user.client.in_tenant(tenant).send_json(&operation.method, &path, body.as_deref())
    }
}
