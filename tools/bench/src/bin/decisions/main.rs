//! `decisions [ROUNDS [MILLISECONDS]]`: one decision, that a member may read people, under more and more policies, by this
//! program's engine and by others. Prints a table.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "talks to a developer in a terminal; policies are made whatever the module allows"
)]

mod competitors;
mod tenant;

use std::{
    error::Error,
    hint::black_box,
    time::{Duration, Instant},
};

use bench::ratio::{median, ratio};
use kernel::contracts::{AccessRequest, Environment, Permission, Permit, UserRead};
use test_support::SeededDb;

use competitors::Casbin;
use tenant::Tenant;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// One of the engines with the policies in it: says whether it allows.
type Engine<'a> = Box<dyn FnMut() -> Outcome<bool> + 'a>;

const ENGINE_NAMES: [&str; 4] = ["tenantry", "cedar", "cedar, request made before", "casbin"];

/// By address and time of the day; both are so.
const CONDITION: &str = r#"{"all": [
    {"client_addr": ["10.0.0.0/8", "2001:db8::/32"]},
    {"time": {"from": "08:00", "to": "18:00", "zone": "Europe/Berlin", "days": ["mon"]}}
]}"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().map_or(Ok(20), |text| text.parse())?;
    let span = Duration::from_millis(arguments.next().map_or(Ok(50), |text| text.parse())?);

    let seeded = SeededDb::new().await;
    println!("{rounds} rounds of {} ms each, in turns\n", span.as_millis());
    println!("| policies | {} | cedar / tenantry | casbin / tenantry |", ENGINE_NAMES.join(" | "));
    println!("|{}", " --- |".repeat(ENGINE_NAMES.len() + 3));
    for (policies, condition) in [(10, None), (100, None), (1_000, None), (10_000, None), (1_000, Some(CONDITION))] {
        let tenant = Tenant::create(&seeded, policies, condition).await?;
        let seconds = measure(&tenant, rounds, span).await?;
        let name = if condition.is_some() { format!("{policies}, by address and time") } else { policies.to_string() };
        let times = seconds.iter().map(|rounds| format_duration(median(rounds)));
        let ratios = [1, 3].map(|competitor| format!("{:.0}", ratio(&seconds[competitor], &seconds[0])));
        let cells: Vec<_> = times.chain(ratios).collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    Ok(())
}

/// Seconds a decision, for each engine round by round.
async fn measure(tenant: &Tenant, rounds: usize, span: Duration) -> Outcome<[Vec<f64>; 4]> {
    // 12:00 in UTC on a Monday.
    let now = time::OffsetDateTime::from_unix_timestamp(1_780_315_200)?;
    let environment = Environment { now, client_addr: Some([10, 1, 2, 3].into()) };
    let question = AccessRequest { permission: &UserRead::INFO, resource: None, environment: &environment };

    let cedar = tenant.cedar_oracle()?;
    let entities = cedar.entities(tenant.principal(), tenant.role, &question)?;
    let asked = cedar.request(tenant.principal(), &question)?;
    let casbin = Casbin::new(tenant).await?;
    let (cedar, entities, asked, environment) = (&cedar, &entities, &asked, &environment);
    let mut engines: [Engine<'_>; 4] = [
        Box::new(|| Ok(Permit::<UserRead>::authorize(&tenant.scope, None, environment).is_ok())),
        Box::new(|| Ok(cedar.allows(&cedar.request(tenant.principal(), &question)?, entities))),
        Box::new(|| Ok(cedar.allows(asked, entities))),
        Box::new(|| casbin.allows(question.permission)),
    ];
    for (engine, name) in engines.iter_mut().zip(ENGINE_NAMES) {
        if !engine()? {
            return Err(format!("{name} doesn't allow what the others do: it was asked something else").into());
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

/// Looks at the clock only now and then: a decision may take less than that.
fn run_round(engine: &mut Engine<'_>, span: Duration) -> Outcome<f64> {
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
