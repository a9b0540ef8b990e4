//! `scale [ROUNDS [SECONDS]]`: compares the authorized member list in databases with 10 to 100,000 tenants, in
//! alternating rounds. Prints ratios. Generating the rows takes minutes and several GB.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "prints to a terminal; tokens expire by the system's clock"
)]

use std::{
    borrow::Cow,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant, SystemTime},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bench::{
    BoxResult, cpu_ticks_with_backends, load, median,
    process::{ServerProcess, resident_kib},
    ratio, token,
};
use ring::{rand::SystemRandom, signature::Ed25519KeyPair};
use sqlx::PgConnection;
use test_support::{GeneratedAdmin, RowCounts, TestDb};

const TENANTS: [u32; 4] = [10, 1_000, 10_000, 100_000];
const MEMBERS: u32 = 100;
/// Number of tenants of which each user is a member.
const TENANTS_PER_USER: u32 = 10;
const CONNECTIONS: usize = 8;

/// A database, the server on it, and its requests.
struct MeasuredDatabase {
    tenants: u32,
    server: ServerProcess,
    superuser: PgConnection,
    requests: Requests,
    throughput: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    /// CPU time of the program and of the database backends, in clock ticks per request.
    cpu: Vec<f64>,
    _database: TestDb,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> BoxResult<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().map_or(Ok(6), |text| text.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let span = Duration::from_secs(seconds);

    let mut databases = Vec::new();
    for tenants in TENANTS {
        databases.push(prepare(tenants).await?);
    }
    println!("{MEMBERS} members each, {CONNECTIONS} connections, {rounds} alternating rounds of {seconds} s");
    for round in 0..rounds {
        for database in &mut databases {
            database.measure(round, span).await?;
        }
    }
    println!(
        "\n| tenants, compared with {} | throughput | p50 | p99 | CPU per request | memory, absolute |",
        TENANTS[0]
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    let smallest = &databases[0];
    for database in &databases {
        println!(
            "| {} | {:.2} | {:.2} | {:.2} | {:.2} | {} MiB |",
            database.tenants,
            ratio(&database.throughput, &smallest.throughput),
            ratio(&database.p50, &smallest.p50),
            ratio(&database.p99, &smallest.p99),
            ratio(&database.cpu, &smallest.cpu),
            resident_kib(database.server.pid()) / 1024,
        );
    }
    println!("\nrequests per second with {} tenants, for orientation: {:.0}", TENANTS[0], median(&smallest.throughput));
    Ok(())
}

async fn prepare(tenants: u32) -> BoxResult<MeasuredDatabase> {
    let started = Instant::now();
    let database = TestDb::migrated().await;
    let users = tenants.saturating_mul(MEMBERS / TENANTS_PER_USER).max(MEMBERS);
    let admins = database.insert_generated_tenants(RowCounts { tenants, members: MEMBERS, users }).await;
    println!("{tenants} tenants generated in {} s", started.elapsed().as_secs());
    let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| "can't generate a key")?;
    let settings = [
        ("DATABASE_URL", database.url()),
        ("DB_DRIVER", "postgres".into()),
        ("DB_ROLE_PREFIX", "tenantry".into()),
        ("DB_POOL_SIZE", "10".into()),
        ("HTTP_WORKERS", "2".into()),
        ("LOG_LEVEL", "error".into()),
        ("AUTH_SIGNING_KEY", STANDARD.encode(&key)),
    ];
    let program = std::env::current_exe()?.with_file_name("tenantry");
    let server = ServerProcess::start(&program, &[], &std::env::temp_dir(), &settings)?;
    let requests = Requests::new(&admins, key.as_ref())?;
    // At least one request for each tenant.
    let (started, next) = (Instant::now(), AtomicUsize::new(0));
    while next.load(Ordering::Relaxed) < admins.len() {
        let each = |_, _| requests.of_tenant(next.fetch_add(1, Ordering::Relaxed));
        load::run_varied(server.addr, &each, CONNECTIONS, Duration::from_secs(5))?;
    }
    println!("warmed up in {} s", started.elapsed().as_secs());
    Ok(MeasuredDatabase {
        tenants,
        server,
        superuser: database.superuser().await,
        requests,
        throughput: Vec::new(),
        p50: Vec::new(),
        p99: Vec::new(),
        cpu: Vec::new(),
        _database: database,
    })
}

impl MeasuredDatabase {
    async fn measure(&mut self, round: usize, span: Duration) -> BoxResult<()> {
        let (pid, requests) = (self.server.pid(), &self.requests);
        let round = u32::try_from(round)?;
        let before = cpu_ticks_with_backends(&mut self.superuser, pid).await?;
        let request = |client, number| requests.get(round, client, number);
        let result = load::run_varied(self.server.addr, &request, CONNECTIONS, span)?;
        let used = cpu_ticks_with_backends(&mut self.superuser, pid).await?.saturating_sub(before);
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
        let cpu = used as f64 / result.requests as f64;
        self.cpu.push(cpu);
        self.throughput.push(result.throughput());
        self.p50.push(result.p50.as_secs_f64());
        self.p99.push(result.p99.as_secs_f64());
        Ok(())
    }
}

/// The requests of all tenants' admins.
struct Requests {
    by_tenant: Vec<String>,
    /// By rank of a tenant: the proportion of requests for the tenants up to it. Zipf's law with the exponent 1: the
    /// second tenant gets half as many requests as the first one, the third one a third, and so on.
    cumulative_shares: Vec<f64>,
}

impl Requests {
    fn new(admins: &[GeneratedAdmin], key: &[u8]) -> BoxResult<Self> {
        let key = Ed25519KeyPair::from_pkcs8(key).map_err(|error| error.to_string())?;
        let by_tenant = admins.iter().map(|admin| request(admin, &key)).collect::<BoxResult<_>>()?;
        let mut total = 0.0;
        let weights = (1..=u32::try_from(admins.len())?).map(|rank| 1.0 / f64::from(rank));
        let sums: Vec<f64> = weights
            .map(|weight| {
                total += weight;
                total
            })
            .collect();
        Ok(Self { by_tenant, cumulative_shares: sums.into_iter().map(|sum| sum / total).collect() })
    }

    /// Returns a pseudo-random request; the sequence is the same in each run.
    fn get(&self, round: u32, client: usize, number: usize) -> Cow<'_, str> {
        let seed = (u64::from(round) << 48) ^ ((client as u64) << 40) ^ number as u64;
        let random = fastrand::Rng::with_seed(seed).f64();
        let rank =
            self.cumulative_shares.partition_point(|share| *share < random).min(self.cumulative_shares.len() - 1);
        // Spread the most active tenants over the tables.
        self.of_tenant(rank.wrapping_mul(7_919))
    }

    /// Returns the request for a tenant by its number, which starts again after the last tenant.
    fn of_tenant(&self, number: usize) -> Cow<'_, str> {
        Cow::Borrowed(&self.by_tenant[number % self.by_tenant.len()])
    }
}

fn request(admin: &GeneratedAdmin, key: &Ed25519KeyPair) -> BoxResult<String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let header = serde_json::json!({ "alg": "EdDSA", "typ": "at+jwt" });
    let claims = serde_json::json!({
        "iss": "tenantry", "aud": "tenantry-api", "sub": admin.user, "iat": now, "exp": now + 7_200,
    });
    let token = token::encode(&header, &claims, |signed| key.sign(signed));
    Ok(format!(
        "GET /v1/members?limit=20 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\
         X-Tenant-Id: {}\r\n\r\n",
        admin.tenant
    ))
}
