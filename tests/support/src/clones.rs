//! A database for each test, cloned from a template.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "databases are made and dropped by name")]

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    ops::Deref,
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use kernel::db::{DatabaseUrl, Db, DbConfig, DbDriver, Driver, MIGRATIONS, PostgresConfig, create_db};
use seeds::Seed;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;

use crate::server::TestServer;

/// What clones of dead runs are known by.
const CLONE: &str = "tenantry_test_";
/// What templates are known by.
const TEMPLATE: &str = "tenantry_template_";
/// One template is made at a time, whichever process makes it.
const TEMPLATE_LOCK: i64 = 8_368_269;

/// A migrated database of the test's own. It is gone when this is.
#[derive(Debug)]
pub struct TestDb {
    /// The open database.
    pub db: Db,
    name: String,
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
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{CLONE}{}_{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // Copying files is fastest without fsync, which is what the embedded test server does; elsewhere the server
        // knows best.
        let strategy = if TestServer::get().is_ours_alone() { " STRATEGY file_copy" } else { "" };
        execute(&mut maintenance().await, format!("CREATE DATABASE {name} TEMPLATE {template}{strategy}")).await;
        let db = create_db(Self::config_for(&name, pool_size)).await.unwrap();
        Self { db, name }
    }

    /// An empty database, without migrations, roles' grants or anything.
    pub async fn empty() -> EmptyDb {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{CLONE}{}_empty_{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
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

    /// A connection with the rights of the server's superuser.
    pub async fn owner(&self) -> PgConnection {
        PgConnection::connect(&TestServer::get().url(&self.name)).await.unwrap()
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
async fn template() -> &'static str {
    static NAME: OnceCell<String> = OnceCell::const_new();
    NAME.get_or_init(async || {
        let name = format!("{TEMPLATE}{:016x}", checksum());
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
        // A process's own: the seeds may change while the migrations don't.
        let name = format!("{CLONE}{}_seeded", process::id());
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
    drop_what_dead_runs_left(&mut connection).await;
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    if !there {
        let building = format!("{CLONE}{}_building", process::id());
        execute(&mut connection, format!("DROP DATABASE IF EXISTS {building} WITH (FORCE)")).await;
        execute(&mut connection, format!("CREATE DATABASE {building} TEMPLATE {from}")).await;
        fill(TestDb::config_for(&building, 2)).await;
        execute(&mut connection, format!("ALTER DATABASE {building} WITH ALLOW_CONNECTIONS false")).await;
        execute(
            &mut connection,
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{building}'"),
        )
        .await;
        execute(&mut connection, format!("ALTER DATABASE {building} RENAME TO {name}")).await;
    }
    connection.close().await.unwrap();
}

/// On a server of our own alone, every clone but this process's is a dead run's, and so is every other template.
async fn drop_what_dead_runs_left(connection: &mut PgConnection) {
    if !TestServer::get().is_ours_alone() {
        return;
    }
    let left: Vec<String> = sqlx::query_scalar(
        "SELECT datname
         FROM pg_database
         WHERE (starts_with(datname, $1) AND NOT starts_with(datname, $2)) OR (starts_with(datname, $3) AND datname <> $4)",
    )
    .bind(CLONE)
    .bind(format!("{CLONE}{}_", process::id()))
    .bind(TEMPLATE)
    .bind(format!("{TEMPLATE}{:016x}", checksum()))
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    for name in left {
        execute(connection, format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }
}

/// The migrations and their runner in a number: a template is known by what it was migrated with.
fn checksum() -> u64 {
    let mut hasher = DefaultHasher::new();
    include_str!("../../../modules/kernel/src/db/migrate.rs").hash(&mut hasher);
    include_str!("../../../modules/kernel/src/db/roles.rs").hash(&mut hasher);
    for migration in MIGRATIONS.iter() {
        (migration.version, &*migration.checksum).hash(&mut hasher);
    }
    hasher.finish()
}

async fn maintenance() -> PgConnection {
    PgConnection::connect(&TestServer::get().url("postgres")).await.unwrap()
}

/// Only for names made in this file.
async fn execute(connection: &mut PgConnection, sql: String) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(connection).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// A drop can't wait for a future, and the test's runtime may be about to end: so on a thread with its own.
fn drop_database(name: &str) {
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
