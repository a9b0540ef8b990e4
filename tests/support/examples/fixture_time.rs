//! How long a test waits for its database: `cargo run --package test-support --example fixture_time`. The server is
//! chosen as for the tests.
#![expect(clippy::print_stdout, reason = "talks to a developer in a terminal")]

use std::time::{Duration, Instant};

use test_support::TestDb;

const RUNS: usize = 41;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Starts the server and makes the template, once for all tests of a process.
    let first = TestDb::migrated().await;
    let version = first.version().await;
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let began = Instant::now();
        let db = TestDb::migrated().await;
        times.push(began.elapsed());
        drop(db);
    }
    times.sort();
    let ms = |time: Duration| time.as_millis();
    let (least, median, most) = (ms(times[0]), ms(times[RUNS / 2]), ms(times[RUNS - 1]));
    println!("{median} ms (median of {RUNS}; {least} to {most}) on {version}");
}
