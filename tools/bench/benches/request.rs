//! What a request costs beside its statements: its module, and a decision.
#![expect(clippy::unwrap_used, reason = "a panic ends the measurement")]

use criterion::{Criterion, criterion_group, criterion_main};
use kernel::contracts::{Environment, Permit, UserRead, WantedTenant};
use test_support::Seeded;
use tokio::runtime::Runtime;

fn request(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let _entered = runtime.enter();
    let seeded = runtime.block_on(Seeded::new());
    let alice = seeded.seed.users.alice.id;

    let requests = seeded.requests();
    let wanted = WantedTenant::Named("acme".parse().unwrap());
    criterion.bench_function("a request's module", |bencher| bencher.iter(|| requests.request(alice, wanted.clone())));

    let scope = runtime.block_on(seeded.scope(alice, "acme")).unwrap();
    let environment = Environment { now: time::OffsetDateTime::UNIX_EPOCH, client_addr: None };
    criterion.bench_function("a decision", |bencher| {
        bencher.iter(|| Permit::<UserRead>::ask(&scope, None, &environment).unwrap());
    });
    drop(seeded);
}

criterion_group!(benches, request);
criterion_main!(benches);
