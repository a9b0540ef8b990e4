//! `decisions [ROUNDS [MILLISECONDS]]`: measures one decision (a member may read users) with an increasing number of
//! policies, with this project's engine and others. Prints a table.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "prints to a terminal; inserts policies directly")]

mod casbin_engine;
mod tenant;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use authorization_api::UserRead;
use bench::{BoxResult, median, ratio};
use kernel::{AccessRequest, Environment, Permission, Permit};
use test_support::SeededDb;

use casbin_engine::Casbin;
use tenant::Tenant;

/// An engine with its policies loaded. Returns whether it allows the request.
type Engine<'a> = Box<dyn FnMut() -> BoxResult<bool> + 'a>;

const ENGINE_NAMES: [&str; 4] = ["tenantry", "cedar", "cedar, prepared request", "casbin"];

/// Conditions on IP address and time of day. Both are true.
const CONDITION: &str = r#"{"all": [
    {"client_addr": ["10.0.0.0/8", "2001:db8::/32"]},
    {"time": {"from": "08:00", "to": "18:00", "zone": "Europe/Berlin", "days": ["mon"]}}
]}"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> BoxResult<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().map_or(Ok(20), |text| text.parse())?;
    let span = Duration::from_millis(arguments.next().map_or(Ok(50), |text| text.parse())?);

    let seeded = SeededDb::new().await;
    println!("{rounds} alternating rounds of {} ms\n", span.as_millis());
    println!("| policies | {} | cedar / tenantry | casbin / tenantry |", ENGINE_NAMES.join(" | "));
    println!("|{}", " --- |".repeat(ENGINE_NAMES.len() + 3));
    for (policies, condition) in [(10, None), (100, None), (1_000, None), (10_000, None), (1_000, Some(CONDITION))] {
        let tenant = Tenant::create(&seeded, policies, condition).await?;
        let seconds = measure(&tenant, rounds, span).await?;
        let name = if condition.is_some() {
            format!("{policies}, with IP address and time conditions")
        } else {
            policies.to_string()
        };
        let times = seconds.iter().map(|rounds| format_duration(median(rounds)));
        let ratios = [1, 3].map(|engine: usize| format!("{:.0}", ratio(&seconds[engine], &seconds[0])));
        let cells: Vec<_> = times.chain(ratios).collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    Ok(())
}

/// Returns the seconds per decision for each engine and round.
async fn measure(tenant: &Tenant, rounds: usize, span: Duration) -> BoxResult<[Vec<f64>; 4]> {
    // Monday, 12:00 UTC.
    let now = time::OffsetDateTime::from_unix_timestamp(1_780_315_200)?;
    let environment = Environment { now, client_addr: Some([10, 1, 2, 3].into()) };
    let request = AccessRequest { permission: &UserRead::INFO, resource: None, environment: &environment };

    let cedar = tenant.cedar_oracle()?;
    let entities = cedar.entities(tenant.principal(), tenant.role, &request)?;
    let prepared_request = cedar.request(tenant.principal(), &request)?;
    let casbin = Casbin::new(tenant).await?;
    let (cedar, entities, prepared_request, environment) = (&cedar, &entities, &prepared_request, &environment);
    let mut engines: [Engine<'_>; 4] = [
        Box::new(|| Ok(Permit::<UserRead>::authorize(&tenant.scope, None, environment).is_ok())),
        Box::new(|| Ok(cedar.allows(&cedar.request(tenant.principal(), &request)?, entities))),
        Box::new(|| Ok(cedar.allows(prepared_request, entities))),
        Box::new(|| casbin.allows(request.permission)),
    ];
    for (engine, name) in engines.iter_mut().zip(ENGINE_NAMES) {
        if !engine()? {
            return Err(format!("{name} denies the request, but every engine must allow it").into());
        }
    }
    let mut seconds = [const { Vec::new() }; 4];
    for _ in 0..rounds {
        for (engine, seconds) in engines.iter_mut().zip(&mut seconds) {
            seconds.push(run_round(engine, span)?);
        }
    }
    Ok(seconds)
}

/// Reads the clock once per batch, because reading it may take longer than a decision.
fn run_round(engine: &mut Engine<'_>, span: Duration) -> BoxResult<f64> {
    let started = Instant::now();
    let (mut decisions, mut batch) = (0_u32, 1_u32);
    loop {
        for _ in 0..batch {
            black_box(engine()?);
        }
        decisions += batch;
        let elapsed = started.elapsed();
        if elapsed >= span {
            return Ok(elapsed.as_secs_f64() / f64::from(decisions));
        }
        if elapsed < span / 8 {
            batch = decisions;
        }
    }
}

fn format_duration(seconds: f64) -> String {
    match seconds {
        s if s < 1e-6 => format!("{:.0} ns", s * 1e9),
        s if s < 1e-3 => format!("{:.1} µs", s * 1e6),
        s => format!("{:.1} ms", s * 1e3),
    }
}
