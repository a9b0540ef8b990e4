//! `compare [ROUNDS [SECONDS [PEERS]]]`: compares the server with the baseline and prints ratios:
//!
//! - the time from start to first response
//! - the authorized member list, in alternating rounds
//! - reads over one connection, alternately without and with a flood of sign-ins
//!
//! With `PEERS`, the directory of `scripts/install-bench-peers`, it compares the member list with programs in other
//! frameworks as well, and writes the chart `docs/performance.svg`. `axum_peer`, one of them, is next to this program.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "prints to a terminal; prepares data in the database directly"
)]

use std::{
    fs, io, iter,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use bench::{
    BoxResult,
    chart::{Bar, horizontal_bars},
    cpu_ticks_with_backends, load, median,
    process::{ServerProcess, peak_resident_kib, process_tree, resident_kib},
    ratio, token,
};
use ring::hmac;
use sqlx::Connection;
use test_support::SeededDb;

/// Numbers of concurrent connections to each server: fewer and more than the database connections, of which there are
/// [`POOL_SIZE`].
const CONNECTIONS: [usize; 3] = [8, 16, 32];
const POOL_SIZE: &str = "10";
/// 1 if Linux shares the CPUs between sessions first. Each database backend is a session.
const AUTOGROUP_SETTING: &str = "/proc/sys/kernel/sched_autogroup_enabled";
const MEMBERS: usize = 25;
/// Number of connections of the client that floods the server with sign-ins.
const FLOOD_CONNECTIONS: usize = 64;

/// A program to measure, and the request to send.
struct Candidate {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<PathBuf>,
    settings: Vec<(&'static str, String)>,
    request: String,
}

impl Candidate {
    fn start(&self, dir: &Path) -> io::Result<ServerProcess> {
        ServerProcess::start(&self.program, &self.arguments, dir, &self.settings)
    }
}

/// The results of a candidate's rounds with one number of connections.
#[derive(Default)]
struct Measurements {
    throughput: Vec<f64>,
    p99: Vec<f64>,
    p999: Vec<f64>,
    max: Vec<f64>,
    /// CPU time of the program and of the database backends, in clock ticks per request.
    cpu: Vec<f64>,
    resident_kib: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> BoxResult<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(2), |text| text.parse())?;

    if fs::read_to_string(AUTOGROUP_SETTING).is_ok_and(|value| value.trim() == "1") {
        println!("Linux groups processes by session, so the maximum latency is longer: {AUTOGROUP_SETTING} is 1");
    }
    let seeded = SeededDb::new().await;
    let mut candidates = candidates(&seeded).await?;
    let peers_dir = arguments.next();
    let has_peers = peers_dir.is_some();
    if let Some(dir) = peers_dir {
        candidates.extend(peers(&seeded, Path::new(&dir))?);
    }
    let dir = std::env::temp_dir();
    println!("time from start to first response, 5 starts each");
    let mut first_response = vec![Vec::new(); candidates.len()];
    for _ in 0..5 {
        for (candidate, times) in candidates.iter().zip(&mut first_response) {
            let started = Instant::now();
            let running = candidate.start(&dir)?;
            running.first_response(&candidate.request)?;
            times.push(started.elapsed().as_secs_f64());
        }
    }
    println!("\n| tenantry divided by | start to first response |\n| --- | --- |");
    for (candidate, theirs) in candidates.iter().zip(&first_response).skip(1) {
        println!("| {} | {:.2} |", candidate.name, ratio(&first_response[0], theirs));
    }

    let span = Duration::from_secs(seconds);
    println!("\n{MEMBERS} members, {POOL_SIZE} database connections, {rounds} alternating rounds of {seconds} s each");
    let running: Vec<ServerProcess> =
        candidates.iter().map(|candidate| candidate.start(&dir)).collect::<io::Result<_>>()?;
    let mut superuser = seeded.superuser().await;
    // Warm up caches before measuring.
    for (candidate, running) in candidates.iter().zip(&running) {
        running.first_response(&candidate.request)?;
        load::run(running.addr, &candidate.request, CONNECTIONS[2], Duration::from_secs(1))?;
    }
    let columns = "throughput | p99 | p99.9 | maximum | CPU per request | memory |";
    println!("\n| connections | tenantry divided by | {columns}\n| --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut bars = Vec::new();
    for connections in CONNECTIONS {
        let mut measured: Vec<Measurements> = candidates.iter().map(|_| Measurements::default()).collect();
        for _ in 0..rounds {
            for ((candidate, running), measured) in candidates.iter().zip(&running).zip(&mut measured) {
                let before = cpu_ticks_with_backends(&mut superuser, running.pid()).await?;
                let result = load::run(running.addr, &candidate.request, connections, span)?;
                let used = cpu_ticks_with_backends(&mut superuser, running.pid()).await?.saturating_sub(before);
                #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
                let cpu = used as f64 / result.requests as f64;
                measured.cpu.push(cpu);
                measured.throughput.push(result.throughput());
                measured.p99.push(result.p99.as_secs_f64());
                measured.p999.push(result.p999.as_secs_f64());
                measured.max.push(result.max.as_secs_f64());
                measured.resident_kib = process_tree(running.pid()).into_iter().map(resident_kib).sum();
            }
        }
        report(connections, &candidates, &measured);
        for (candidate, theirs) in candidates.iter().zip(&measured) {
            let name = format!("{}, {connections} connections", candidate.name);
            bars.push(Bar { name, value: ratio(&theirs.throughput, &measured[0].throughput) });
        }
    }
    if has_peers {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/performance.svg");
        fs::write(&file, horizontal_bars("Requests per second, tenantry = 1", &bars))?;
        println!("\nthe chart is in {}", file.display());
    }
    flood_sign_ins(&running[0], &candidates[0].request, rounds, span)
}

/// Measures reads over one connection, alternately without and with a flood of sign-ins.
fn flood_sign_ins(running: &ServerProcess, read: &str, rounds: usize, span: Duration) -> BoxResult<()> {
    let (addr, pid) = (running.addr, running.pid());
    let before = peak_resident_kib(pid);
    let [mut p50, mut p99, mut rejected] = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        let quiet = load::run(addr, read, 1, span)?;
        let flood = std::thread::spawn(move || load::flood(addr, &sign_in_request(), FLOOD_CONNECTIONS, span));
        let flooded = load::run(addr, read, 1, span)?;
        rejected.push(flood.join().map_err(|_| "the flood panicked")??);
        p50.push(flooded.p50.as_secs_f64() / quiet.p50.as_secs_f64());
        p99.push(flooded.p99.as_secs_f64() / quiet.p99.as_secs_f64());
    }
    println!("\nflood of sign-ins over {FLOOD_CONNECTIONS} connections of one client, {rounds} rounds");
    println!(
        "| rejected with 503 | another client's p50, with flood / without | the same for p99 | peak memory before | after |"
    );
    println!("| --- | --- | --- | --- | --- |");
    println!(
        "| {:.0} % | {:.2} | {:.2} | {} MiB | {} MiB |",
        median(&rejected) * 100.0,
        median(&p50),
        median(&p99),
        before / 1024,
        peak_resident_kib(pid) / 1024
    );
    Ok(())
}

/// Returns a sign-in with the correct password: [`load::flood`] accepts only 200 and 503.
fn sign_in_request() -> String {
    let body = serde_json::json!({ "email": "alice@example.com", "password": seeds::PASSWORD }).to_string();
    let length = body.len();
    format!(
        "POST /v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

async fn candidates(seeded: &SeededDb) -> BoxResult<Vec<Candidate>> {
    let (acme, alice) = (seeded.acme(), seeded.seed.users.alice.id);
    // The tenant already has two members.
    for _ in 2..MEMBERS {
        seeded.create_member(&acme, acme.member_role).await;
    }
    let mut superuser = seeded.superuser().await;
    sqlx::raw_sql("ANALYZE").execute(&mut superuser).await?;
    superuser.close().await?;

    let programs = programs_dir()?;
    let common = common_settings(seeded);
    let with = |more: &[(&'static str, &str)]| {
        common.iter().cloned().chain(more.iter().map(|(name, value)| (*name, (*value).to_owned()))).collect()
    };
    let mut ours = Candidate {
        name: "tenantry",
        program: programs.join("tenantry"),
        arguments: Vec::new(),
        settings: with(&[("DATA_DIR", "bench-data")]),
        request: String::new(),
    };
    let token = {
        let running = ours.start(&std::env::temp_dir())?;
        let body = serde_json::json!({ "email": "alice@example.com", "password": seeds::PASSWORD });
        let mut response = ureq::post(format!("http://{}/v1/auth/login", running.addr)).send_json(body)?;
        let body: serde_json::Value = response.body_mut().read_json()?;
        body["access_token"].as_str().unwrap_or_default().to_owned()
    };
    let get = |headers: &str| format!("GET /v1/members HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n");
    ours.request = get(&format!("Authorization: Bearer {token}\r\nX-Tenant-Id: acme\r\n"));
    let baseline = |name, lookup| Candidate {
        name,
        program: programs.join("baseline"),
        arguments: Vec::new(),
        settings: with(&[("LOOKUP", lookup)]),
        request: get(&format!("X-User-Id: {alice}\r\nX-Tenant-Id: {}\r\n", acme.id)),
    };
    let (list, lookup) = (baseline("baseline", "0"), baseline("baseline with lookup", "1"));
    Ok(vec![ours, list, lookup])
}

/// Returns the directory of this program and of the others that cargo builds.
fn programs_dir() -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.parent().map(PathBuf::from).unwrap_or_default())
}

/// Settings of all programs.
fn common_settings(seeded: &SeededDb) -> Vec<(&'static str, String)> {
    vec![
        ("DATABASE_URL", seeded.url()),
        ("DB_DRIVER", "postgres".into()),
        ("DB_ROLE_PREFIX", "tenantry".into()),
        ("DB_POOL_SIZE", POOL_SIZE.into()),
        ("HTTP_WORKERS", "2".into()),
        ("LOG_LEVEL", "warn".into()),
    ]
}

/// Returns the programs in other frameworks that are installed.
fn peers(seeded: &SeededDb, dir: &Path) -> BoxResult<Vec<Candidate>> {
    const SECRET: &str = "a secret of the benchmark, which protects nothing";
    let dir = dir.canonicalize()?;
    let expires = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs() + 7_200;
    let claims = serde_json::json!({ "sub": seeded.seed.users.alice.id, "exp": expires });
    let header = serde_json::json!({ "alg": "HS256", "typ": "JWT" });
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let token = token::encode(&header, &claims, |signed| hmac::sign(&key, signed));
    let request = format!(
        "GET /v1/members HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nX-Tenant-Id: {}\r\n\r\n",
        seeded.acme().id
    );
    let mut settings = common_settings(seeded);
    settings.push(("JWT_SECRET", SECRET.to_owned()));
    let programs = [
        ("axum, sqlx", programs_dir()?.join("axum_peer"), vec![]),
        ("NestJS, Fastify, pg", dir.join("nestjs/node"), vec![dir.join("nestjs/dist/main.js")]),
        ("FastAPI, asyncpg", dir.join("fastapi/.venv/bin/python"), vec![dir.join("fastapi/main.py")]),
    ];
    let installed = programs.into_iter().filter(|(name, program, arguments)| {
        let missing = iter::once(program).chain(arguments).find(|path| !path.exists());
        if let Some(path) = missing {
            println!("SKIPPED: {name} isn't installed: {} doesn't exist", path.display());
        }
        missing.is_none()
    });
    let candidate = |(name, program, arguments)| Candidate {
        name,
        program,
        arguments,
        settings: settings.clone(),
        request: request.clone(),
    };
    Ok(installed.map(candidate).collect())
}

fn report(connections: usize, candidates: &[Candidate], measured: &[Measurements]) {
    let ours = &measured[0];
    for (candidate, theirs) in candidates.iter().zip(measured).skip(1) {
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
        let memory = ours.resident_kib as f64 / theirs.resident_kib as f64;
        println!(
            "| {connections} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {memory:.2} |",
            candidate.name,
            ratio(&ours.throughput, &theirs.throughput),
            ratio(&ours.p99, &theirs.p99),
            ratio(&ours.p999, &theirs.p999),
            ratio(&ours.max, &theirs.max),
            ratio(&ours.cpu, &theirs.cpu),
        );
    }
}
