//! Measures the construction of a request module, which happens once per request.
#![expect(clippy::unwrap_used, reason = "a panic ends the measurement")]

use criterion::{Criterion, criterion_group, criterion_main};
use kernel::RequestedTenant;
use test_support::SeededDb;
use tokio::runtime::Runtime;

fn request(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let _entered = runtime.enter();
    let seeded = runtime.block_on(SeededDb::new());
    let alice = seeded.seed.users.alice.id;
    let tenant = RequestedTenant::Present("acme".parse().unwrap());
    criterion.bench_function("request module", |bencher| bencher.iter(|| seeded.request(alice, tenant.clone())));
    drop(seeded);
}

criterion_group!(benches, request);
criterion_main!(benches);
