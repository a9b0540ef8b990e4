//! What a request costs beside its statements and its decision: its module.
#![expect(clippy::unwrap_used, reason = "a panic ends the measurement")]

use criterion::{Criterion, criterion_group, criterion_main};
use kernel::contracts::RequestedTenant;
use test_support::SeededDb;
use tokio::runtime::Runtime;

fn request(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let _entered = runtime.enter();
    let seeded = runtime.block_on(SeededDb::new());
    let alice = seeded.seed.users.alice.id;

    let factory = seeded.request_factory();
    let wanted = RequestedTenant::Present("acme".parse().unwrap());
    criterion.bench_function("a request's module", |bencher| bencher.iter(|| factory.request(alice, wanted.clone())));
    drop(seeded);
}

criterion_group!(benches, request);
criterion_main!(benches);
