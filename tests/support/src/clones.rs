//! A database for each test, cloned from a template.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "databases are made and dropped by name")]

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Deref,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

use kernel::{
    contracts::AuthorizationModule,
    db::{DatabaseUrl, Db, DbConfig, DbDriver, Driver, MIGRATIONS, PostgresConfig, create_db},
};
use seeds::Seed;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::server::TestServer;

/// What clones are known by: this, their run's name, and what is theirs.
const CLONE: &str = "tenantry_test_";
/// What templates are known by.
const TEMPLATE: &str = "tenantry_template_";
/// One template is made at a time, whichever process makes it.
const TEMPLATE_LOCK: i64 = 8_368_269;

/// A migrated database of the test's own. It is gone when this is.
pub struct TestDb {
    /// The open database.
    pub db: Db,
    name: String,
    /// One for the whole test, as the program has one: it remembers policies.
    pub(crate) authorization: OnceLock<Arc<dyn AuthorizationModule>>,
}

impl fmt::Debug for TestDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestDb").field("name", &self.name).finish_non_exhaustive()
    }
}

impl TestDb {
    /// Clones the migrated template.
    pub async fn migrated() -> Self {
        Self::clone_of(template().await, 5).await
    }

    /// The same with so many connections at the most.
    pub async fn with_pool_of(pool_size: u32) -> Self {
        Self::clone_of(template().await, pool_size).await
    }

    async fn clone_of(template: &str, pool_size: u32) -> Self {
        let name = clone_name("clone");
        // Copying files is fastest without fsync, which is what the embedded test server does; elsewhere the server
        // knows best.
        let strategy = if TestServer::get().is_ours_alone() { " STRATEGY file_copy" } else { "" };
        execute(&mut maintenance().await, format!("CREATE DATABASE {name} TEMPLATE {template}{strategy}")).await;
        let db = create_db(Self::config_for(&name, pool_size)).await.unwrap();
        Self { db, name, authorization: OnceLock::new() }
    }

    /// An empty database, without migrations, roles' grants or anything.
    pub async fn empty() -> EmptyDb {
        let name = clone_name("empty");
        execute(&mut maintenance().await, format!("CREATE DATABASE {name}")).await;
        EmptyDb { name }
    }

    /// How to open it once more.
    pub fn config(&self, pool_size: u32) -> DbConfig {
        Self::config_for(&self.name, pool_size)
    }

    /// Its URL, with the rights of the server's superuser.
    pub fn url(&self) -> String {
        TestServer::get().url(&self.name)
    }

    /// What the server says it is.
    pub async fn version(&self) -> String {
        sqlx::query_scalar("SELECT version()").fetch_one(&mut self.owner().await).await.unwrap()
    }

    /// A connection with the rights of the server's superuser: to look behind row-level security, and to provoke.
    pub async fn owner(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }

    fn config_for(name: &str, pool_size: u32) -> DbConfig {
        DbConfig {
            driver: DbDriver::Postgres(PostgresConfig {
                url: DatabaseUrl::parse(&TestServer::get().url(name)).unwrap(),
                migration_url: None,
            }),
            pool_size,
            connect_timeout: Duration::from_secs(30),
            production: false,
            migrate_on_start: false,
        }
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        drop_database(&self.name);
    }
}

/// A database without anything in it. It is gone when this is.
#[derive(Debug)]
pub struct EmptyDb {
    name: String,
}

impl EmptyDb {
    /// How to open it.
    pub fn config(&self) -> DbConfig {
        TestDb::config_for(&self.name, 2)
    }

    /// Its URL, with the rights of the server's superuser.
    pub fn url(&self) -> String {
        TestServer::get().url(&self.name)
    }

    /// A connection with the rights of the server's superuser.
    pub async fn owner(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }
}

impl Drop for EmptyDb {
    fn drop(&mut self) {
        drop_database(&self.name);
    }
}

/// A database of the test's own with the demo data.
#[derive(Debug)]
pub struct Seeded {
    /// The ids of what is in it.
    pub seed: Seed,
    db: TestDb,
}

impl Seeded {
    /// Clones the template with the demo data.
    pub async fn new() -> Self {
        let db = TestDb::clone_of(seeded_template().await, 5).await;
        // Nothing is left to be made: this only tells the ids.
        let seed = seeds::run(&*db.db.system()).await.unwrap();
        Self { seed, db }
    }
}

impl Deref for Seeded {
    type Target = TestDb;

    fn deref(&self) -> &TestDb {
        &self.db
    }
}

/// The migrated template's name; it is made by whoever asks first.
pub(crate) async fn template() -> &'static str {
    static NAME: OnceCell<String> = OnceCell::const_new();
    NAME.get_or_init(async || {
        let name = format!("{TEMPLATE}{:016x}", checksum(RUNNER));
        make_template(&name, "template0", async |config| {
            let driver = Driver::start(config).await.unwrap();
            driver.migrator().run().await.unwrap();
        })
        .await;
        name
    })
    .await
}

async fn seeded_template() -> &'static str {
    static NAME: OnceCell<String> = OnceCell::const_new();
    NAME.get_or_init(async || {
        let from = template().await;
        let name = format!("{TEMPLATE}{:016x}_seeded", checksum(SEEDS));
        make_template(&name, from, async |config| {
            let db = create_db(config).await.unwrap();
            seeds::run(&*db.system()).await.unwrap();
            db.close().await;
        })
        .await;
        name
    })
    .await
}

/// Makes a template unless it is there. It gets its name once it is complete, and nobody can connect to it then.
async fn make_template(name: &str, from: &str, fill: impl AsyncFnOnce(DbConfig)) {
    let mut connection = maintenance().await;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(TEMPLATE_LOCK).execute(&mut connection).await.unwrap();
    drop_what_nobody_uses(&mut connection).await;
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    if !there {
        let building = clone_name("building");
        execute(&mut connection, format!("CREATE DATABASE {building} TEMPLATE {from}")).await;
        fill(TestDb::config_for(&building, 2)).await;
        execute(&mut connection, format!("ALTER DATABASE {building} WITH ALLOW_CONNECTIONS false")).await;
        let connected = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{building}'");
        execute(&mut connection, connected).await;
        execute(&mut connection, format!("ALTER DATABASE {building} RENAME TO {name}")).await;
    }
    let used = "DO $$ BEGIN EXECUTE format('COMMENT ON DATABASE %I IS %L', current_setting('app.name'), now()); END $$";
    execute(&mut connection, format!("SET app.name = '{name}'; {used}")).await;
    connection.close().await.unwrap();
}

/// Clones whose run has ended, and templates that nobody has used for a week: of other branches, say. On a server of
/// our own alone there are no others, so every other template goes.
async fn drop_what_nobody_uses(connection: &mut PgConnection) {
    let databases: Vec<(String, Option<String>)> = sqlx::query_as(
        "SELECT datname::text, shobj_description(oid, 'pg_database')
         FROM pg_database
         WHERE starts_with(datname, $1) OR starts_with(datname, $2)",
    )
    .bind(CLONE)
    .bind(TEMPLATE)
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    let ours = [format!("{TEMPLATE}{:016x}", checksum(RUNNER)), format!("{TEMPLATE}{:016x}_seeded", checksum(SEEDS))];
    for (name, used) in databases {
        let unused = match name.strip_prefix(CLONE).and_then(|rest| rest.split_once('_')) {
            Some((run, _)) => run != Run::get().name && has_ended(connection, run).await,
            None => !ours.contains(&name) && (TestServer::get().is_ours_alone() || is_old(connection, used).await),
        };
        if unused {
            execute(connection, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        }
    }
}

async fn has_ended(connection: &mut PgConnection, run: &str) -> bool {
    // Taken only where nobody holds it, and given back at once.
    let free = "SELECT pg_try_advisory_xact_lock($1)";
    sqlx::query_scalar(free).bind(hash(run)).fetch_one(connection).await.unwrap()
}

async fn is_old(connection: &mut PgConnection, used: Option<String>) -> bool {
    let old = "SELECT coalesce($1::timestamptz < now() - interval '7 days', false)";
    sqlx::query_scalar(old).bind(used).fetch_one(connection).await.unwrap()
}

/// This test process. Its clones bear its name, and it holds a lock of that name for as long as it lives: so others can
/// tell what is left of the dead.
struct Run {
    name: String,
}

impl Run {
    fn get() -> &'static Self {
        static RUN: OnceLock<Run> = OnceLock::new();
        RUN.get_or_init(|| {
            let name = Uuid::now_v7().simple().to_string();
            let lock = hash(&name);
            let (held, wait) = mpsc::channel();
            // The connection ends with the process, and the lock with the connection.
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let mut connection = maintenance().await;
                    sqlx::query("SELECT pg_advisory_lock($1)").bind(lock).execute(&mut connection).await.unwrap();
                    held.send(()).unwrap();
                    std::future::pending::<()>().await;
                });
            });
            wait.recv().unwrap();
            Run { name }
        })
    }
}

/// A name that no other clone of any run has.
pub(crate) fn clone_name(kind: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{CLONE}{}_{kind}_{}", Run::get().name, COUNT.fetch_add(1, Ordering::Relaxed))
}

/// What decides how a template is migrated, beside the migrations.
const RUNNER: &[&str] = &[
    include_str!("../../../modules/kernel/src/db/migrate.rs"),
    include_str!("../../../modules/kernel/src/db/roles.rs"),
];
/// What decides what is seeded into it, beside that.
const SEEDS: &[&str] = &[
    RUNNER[0],
    RUNNER[1],
    include_str!("../../../seeds/src/lib.rs"),
    include_str!("../../../modules/user/src/seed.rs"),
    include_str!("../../../modules/auth/src/seed.rs"),
    include_str!("../../../modules/authorization/src/seed.rs"),
    include_str!("../../../modules/authorization/src/founding.rs"),
    include_str!("../../../modules/authorization/src/domain/templates.rs"),
    include_str!("../../../modules/billing/src/seed.rs"),
];

/// The migrations and these sources in a number: a template is known by what it was made of.
fn checksum(sources: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    sources.hash(&mut hasher);
    for migration in MIGRATIONS.iter() {
        (migration.version, &*migration.checksum).hash(&mut hasher);
    }
    hasher.finish()
}

/// A lock's number for a name.
fn hash(name: &str) -> i64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish().cast_signed()
}

pub(crate) async fn maintenance() -> PgConnection {
    PgConnection::connect(&TestServer::get().url("postgres")).await.unwrap()
}

/// Only for names made in this file.
pub(crate) async fn execute(connection: &mut PgConnection, sql: String) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(connection).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// A drop can't wait for a future, and the test's runtime may be about to end: so on a thread with its own.
pub(crate) fn drop_database(name: &str) {
    let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    let thread = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = maintenance().await;
            execute(&mut connection, sql).await;
            let _ = connection.close().await;
        });
    });
    // In a test that is failing already, its own words matter more.
    if thread.join().is_err() && !std::thread::panicking() {
        panic!("the database {name} couldn't be dropped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn exists(connection: &mut PgConnection, name: &str) -> bool {
        let there = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)").bind(name);
        there.fetch_one(connection).await.unwrap()
    }

    #[tokio::test]
    async fn what_the_dead_left_goes_and_what_the_living_use_stays() {
        let (mut ours, mut living) = (maintenance().await, maintenance().await);
        // No other process cleans up meanwhile.
        sqlx::query("SELECT pg_advisory_lock($1)").bind(TEMPLATE_LOCK).execute(&mut ours).await.unwrap();
        let run = Uuid::now_v7().simple().to_string();
        sqlx::query("SELECT pg_advisory_lock($1)").bind(hash(&run)).execute(&mut living).await.unwrap();
        let dead = Uuid::now_v7().simple().to_string();
        let of_living = format!("{CLONE}{run}_clone_0");
        let [of_dead, of_us, old] =
            [format!("{CLONE}{dead}_clone_0"), clone_name("clone"), format!("{TEMPLATE}{dead}")];
        for name in [&of_living, &of_dead, &of_us, &old] {
            execute(&mut ours, format!("CREATE DATABASE {name}")).await;
        }
        execute(&mut ours, format!("COMMENT ON DATABASE {old} IS '2001-01-01'")).await;

        drop_what_nobody_uses(&mut ours).await;
        let mut left = Vec::new();
        for name in [&of_living, &of_dead, &of_us, &old] {
            left.push(exists(&mut ours, name).await);
        }
        for name in [&of_living, &of_us] {
            execute(&mut ours, format!("DROP DATABASE {name}")).await;
        }
        assert_eq!(left, [true, false, true, false], "of the living, of the dead, of ourselves, old");
    }
}
