//! What a request costs beside its statements and its decision: its module.
#![expect(clippy::unwrap_used, reason = "a panic ends the measurement")]

use criterion::{Criterion, criterion_group, criterion_main};
use kernel::contracts::WantedTenant;
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
    drop(seeded);
}

criterion_group!(benches, request);
criterion_main!(benches);
