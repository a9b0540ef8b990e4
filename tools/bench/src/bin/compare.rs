//! `compare [ROUNDS [SECONDS]]`: the authorized list of members beside the bare one, round by round, and how long each
//! takes from its start to its first answer. Prints ratios.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "talks to a developer in a terminal; looks behind"
)]

use std::{
    error::Error,
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

use bench::{
    load::{self, Round},
    process::{ServerProcess, resident_kib, cpu_ticks},
    ratio::ratio,
};
use sqlx::{Connection, PgConnection};
use test_support::{TestTenant, SeededDb};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// As many as each program has; more than there are processors on a small machine.
const CONNECTIONS: usize = 16;
const MEMBERS: usize = 25;

/// One of the programs, and the request that it answers.
struct Candidate {
    name: &'static str,
    program: PathBuf,
    settings: Vec<(&'static str, String)>,
    request: String,
}

impl Candidate {
    fn start(&self, folder: &std::path::Path) -> Outcome<ServerProcess> {
        let settings: Vec<_> = self.settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Ok(ServerProcess::start(&self.program, folder, &settings)?)
    }
}

/// What a contender's rounds came to.
#[derive(Default)]
struct Measurements {
    throughput: Vec<f64>,
    p99: Vec<f64>,
    /// Of the program and of the database's processes, in ticks a request.
    cpu: Vec<f64>,
    resident_kib: u64,
    first_answer: Vec<f64>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(2), |text| text.parse())?;

    let seeded = SeededDb::new().await;
    let candidates = candidates(&seeded).await?;
    let folder = std::env::temp_dir();
    let mut measured: Vec<Measurements> = candidates.iter().map(|_| Measurements::default()).collect();

    println!("from start to first answer, 5 times each");
    for _ in 0..5 {
        for (candidate, measured) in candidates.iter().zip(&mut measured) {
            let started = Instant::now();
            let running = candidate.start(&folder)?;
            load::run(running.addr, &candidate.request, 1, Duration::ZERO)?;
            measured.first_answer.push(started.elapsed().as_secs_f64());
        }
    }

    println!("{MEMBERS} members, {CONNECTIONS} connections, {rounds} rounds of {seconds} s each, in turns");
    let running: Vec<ServerProcess> = candidates.iter().map(|candidate| candidate.start(&folder)).collect::<Outcome<_>>()?;
    let mut backends = seeded.superuser().await;
    // Caches are filled before anything is counted.
    for (candidate, running) in candidates.iter().zip(&running) {
        load::run(running.addr, &candidate.request, CONNECTIONS, Duration::from_millis(500))?;
    }
    for round in 1..=rounds {
        for ((candidate, running), measured) in candidates.iter().zip(&running).zip(&mut measured) {
            let before = cpu(&mut backends, running).await?;
            let outcome = loaded(running.addr, &candidate.request, seconds)?;
            let used = cpu(&mut backends, running).await?.saturating_sub(before);
            #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
            let cpu = used as f64 / outcome.requests as f64;
            measured.cpu.push(cpu);
            measured.throughput.push(outcome.throughput());
            measured.p99.push(outcome.p99.as_secs_f64());
            measured.resident_kib = resident_kib(running.pid());
        }
        let last = |n: usize| measured[n].throughput[round - 1];
        println!(
            "round {round}: throughput {:.3} of bare, {:.3} of bare with lookup",
            last(0) / last(1),
            last(0) / last(2)
        );
    }
    report(&candidates, &measured);
    Ok(())
}

fn loaded(addr: SocketAddr, request: &str, seconds: u64) -> Outcome<Round> {
    Ok(load::run(addr, request, CONNECTIONS, Duration::from_secs(seconds))?)
}

/// Of the program, and of all who serve this database: while one contender is loaded, the others are idle.
async fn cpu(backends: &mut PgConnection, running: &ServerProcess) -> Outcome<u64> {
    let pids = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let pids: Vec<i32> = sqlx::query_scalar(pids).fetch_all(backends).await?;
    Ok(cpu_ticks(running.pid()) + pids.into_iter().map(|pid| cpu_ticks(pid.unsigned_abs())).sum::<u64>())
}

async fn candidates(seeded: &SeededDb) -> Outcome<Vec<Candidate>> {
    let (acme, alice) = (&seeded.seed.tenants.acme, seeded.seed.users.alice.id);
    let tenant =
        TestTenant { id: acme.id, slug: "acme".into(), admin_role: acme.admin_role, member_role: acme.member_role };
    // Two are there already.
    for _ in 2..MEMBERS {
        let user = seeded.create_user().await;
        seeded.add_member(&tenant, user, tenant.member_role).await;
    }
    let mut owner = seeded.superuser().await;
    sqlx::raw_sql("ANALYZE").execute(&mut owner).await?;
    owner.close().await?;

    let programs = std::env::current_exe()?.parent().map(PathBuf::from).unwrap_or_default();
    let common = [
        ("DATABASE_URL", seeded.url()),
        ("DB_DRIVER", "postgres".into()),
        ("DB_POOL_SIZE", "10".into()),
        ("HTTP_WORKERS", "2".into()),
        ("LOG_LEVEL", "warn".into()),
    ];
    let with = |more: &[(&'static str, &str)]| {
        common.iter().cloned().chain(more.iter().map(|(name, value)| (*name, (*value).to_owned()))).collect()
    };
    let mut ours = Candidate {
        name: "tenantry",
        program: programs.join("tenantry"),
        settings: with(&[("DATA_DIR", "bench-data")]),
        request: String::new(),
    };
    let token = {
        let running = ours.start(&std::env::temp_dir())?;
        let body = serde_json::json!({ "email": "alice@example.com", "password": seeds::PASSWORD });
        let mut answer = ureq::post(format!("http://{}/v1/auth/login", running.addr)).send_json(body)?;
        let answer: serde_json::Value = answer.body_mut().read_json()?;
        answer["access_token"].as_str().unwrap_or_default().to_owned()
    };
    let get = |headers: &str| format!("GET /v1/members HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n");
    ours.request = get(&format!("Authorization: Bearer {token}\r\nX-Tenant-Id: acme\r\n"));
    let baseline = |name, lookup| Candidate {
        name,
        program: programs.join("baseline"),
        settings: with(&[("LOOKUP", lookup)]),
        request: get(&format!("X-User-Id: {alice}\r\nX-Tenant-Id: {}\r\n", acme.id)),
    };
    let (list, lookup) = (baseline("baseline", "0"), baseline("baseline with lookup", "1"));
    Ok(vec![ours, list, lookup])
}

fn report(candidates: &[Candidate], measured: &[Measurements]) {
    let ours = &measured[0];
    println!("\n| tenantry divided by | throughput | p99 | CPU a request | memory | start to first answer |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for (candidate, theirs) in candidates.iter().zip(measured).skip(1) {
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
        let memory = ours.resident_kib as f64 / theirs.resident_kib as f64;
        println!(
            "| {} | {:.2} | {:.2} | {:.2} | {memory:.2} | {:.2} |",
            candidate.name,
            ratio(&ours.throughput, &theirs.throughput),
            ratio(&ours.p99, &theirs.p99),
            ratio(&ours.cpu, &theirs.cpu),
            ratio(&ours.first_answer, &theirs.first_answer),
        );
    }
}
