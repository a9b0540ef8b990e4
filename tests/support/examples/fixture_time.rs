//! Measures how long a test waits for its database: `cargo run --package test-support --example fixture_time`. Chooses
//! the server as the tests do.
#![expect(clippy::print_stdout, reason = "prints its result")]

use std::time::{Duration, Instant};

use test_support::TestDb;

const RUNS: usize = 41;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // The first database includes starting the server and creating the template, which happens once per process.
    let first = TestDb::migrated().await;
    let version = first.version().await;
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let start = Instant::now();
        let db = TestDb::migrated().await;
        times.push(start.elapsed());
        drop(db);
    }
    times.sort();
    let ms = |time: Duration| time.as_millis();
    let (min, median, max) = (ms(times[0]), ms(times[RUNS / 2]), ms(times[RUNS - 1]));
    println!("{median} ms (median of {RUNS}; {min} to {max}) on {version}");
}
