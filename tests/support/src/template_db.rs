//! A database for each test, cloned from a template.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "creates and drops databases by name")]

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Deref,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};

use authorization::AuthorizationModule;
use db::{DatabaseUrl, Db, DbConfig, DbDriver, DbServer, MIGRATIONS, PostgresConfig, RoleNames, open_db};
use kernel::ValueModule;
use seeds::Seed;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;
use user::UserModule;
use uuid::Uuid;

use crate::server::TestServer;

/// Prefix of the names of clones, empty databases and unfinished templates: `tenantry_test_<run>_<kind>_<number>`.
const RUN_DB_PREFIX: &str = "tenantry_test_";
/// Prefix of template names.
const TEMPLATE_PREFIX: &str = "tenantry_template_";
/// Advisory lock that serializes template creation across processes.
const TEMPLATE_LOCK: i64 = 8_368_269;
/// Connections in the pool of a cloned database. A quarter of them is for the transactions of one tenant: tests of
/// concurrent changes need two connections.
const POOL_SIZE: u32 = 8;

/// A migrated database that is dropped with this value.
pub struct TestDb {
    /// The open database.
    pub db: Db,
    database: TempDb,
    /// The user module. Other modules' tests use it without depending on the `user` crate.
    pub users: Arc<UserModule>,
    /// Shared by all requests, as in the server, because it caches policies.
    pub(crate) authorization: Arc<AuthorizationModule>,
}

impl fmt::Debug for TestDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestDb").field("database", &self.database).finish_non_exhaustive()
    }
}

impl TestDb {
    /// Clones the migrated template.
    pub async fn migrated() -> Self {
        Self::from_template(migrated_template().await).await
    }

    async fn from_template(template: &str) -> Self {
        let database = TempDb::named("clone");
        let name = &database.name;
        // The embedded test server runs without fsync, where copying files is fastest. Other servers keep their default.
        let strategy = if TestServer::get().is_exclusive() { " STRATEGY file_copy" } else { "" };
        execute(&mut maintenance_connection().await, format!("CREATE DATABASE {name} TEMPLATE {template}{strategy}"))
            .await;
        let db = open_db(database.config(POOL_SIZE)).await.unwrap();
        let users = Arc::new(UserModule::builder(db.module()).build());
        let authorization = AuthorizationModule::builder(db.module(), ValueModule::new(Arc::default())).build();
        Self { db, database, users, authorization: Arc::new(authorization) }
    }
}

impl Deref for TestDb {
    type Target = TempDb;

    fn deref(&self) -> &TempDb {
        &self.database
    }
}

/// A database that is dropped with this value.
#[derive(Debug)]
pub struct TempDb {
    pub(crate) name: String,
}

impl TempDb {
    /// Creates a database without migrations or grants.
    pub async fn empty() -> Self {
        let database = Self::named("empty");
        execute(&mut maintenance_connection().await, format!("CREATE DATABASE {}", database.name)).await;
        database
    }

    /// Chooses a unique name. The caller creates the database.
    pub(crate) fn named(kind: &str) -> Self {
        Self { name: unique_db_name(kind) }
    }

    /// Returns the configuration for opening it with the superuser's login.
    pub fn config(&self, pool_size: u32) -> DbConfig {
        config_for(&self.name, pool_size)
    }

    /// Returns its URL with the superuser's login.
    pub fn url(&self) -> String {
        TestServer::get().url(&self.name)
    }

    /// Returns the server's version string.
    pub async fn version(&self) -> String {
        sqlx::query_scalar("SELECT version()").fetch_one(&mut self.superuser().await).await.unwrap()
    }

    /// Opens a superuser connection, which bypasses row-level security.
    pub async fn superuser(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }

    /// Executes SQL statements as the superuser.
    ///
    /// # Panics
    /// A statement fails.
    pub async fn execute(&self, sql: &str) {
        execute(&mut self.superuser().await, sql.to_owned()).await;
    }
}

impl Drop for TempDb {
    fn drop(&mut self) {
        drop_database(&self.name);
    }
}

/// Returns the roles of all test databases except those of [`OwnedDb::deployments`](crate::OwnedDb::deployments). They
/// share them, because a clone contains the grants of its template.
pub fn role_names() -> RoleNames {
    RoleNames::new("tenantry").unwrap()
}

fn config_for(name: &str, pool_size: u32) -> DbConfig {
    DbConfig {
        driver: DbDriver::Postgres(PostgresConfig {
            url: DatabaseUrl::parse(&TestServer::get().url(name)).unwrap(),
            migration_url: None,
            backup_url: None,
            roles: role_names(),
        }),
        pool_size,
        connect_timeout: Duration::from_secs(30),
        production: false,
        migrate_on_start: false,
    }
}

/// A migrated database with the demo data that is dropped with this value.
#[derive(Debug)]
pub struct SeededDb {
    /// Ids of the demo data.
    pub seed: Seed,
    db: TestDb,
}

impl SeededDb {
    /// Clones the seeded template.
    pub async fn new() -> Self {
        let db = TestDb::from_template(seeded_template().await).await;
        // The data exists already; seeding again only returns the ids.
        let seed = seeds::run(&*db.db.system()).await.unwrap();
        Self { seed, db }
    }
}

impl Deref for SeededDb {
    type Target = TestDb;

    fn deref(&self) -> &TestDb {
        &self.db
    }
}

/// Returns the name of the migrated template, which the first call creates.
pub(crate) async fn migrated_template() -> &'static str {
    static NAME: OnceCell<String> = OnceCell::const_new();
    NAME.get_or_init(async || {
        let name = template_name();
        create_template(&name, "template0", async |config| {
            let server = DbServer::start(config).await.unwrap();
            server.migrator().run().await.unwrap();
        })
        .await;
        name
    })
    .await
}

async fn seeded_template() -> &'static str {
    static NAME: OnceCell<String> = OnceCell::const_new();
    NAME.get_or_init(async || {
        let from = migrated_template().await;
        let name = format!("{}_seeded", template_name());
        create_template(&name, from, async |config| {
            let db = open_db(config).await.unwrap();
            seeds::run(&*db.system()).await.unwrap();
            db.close().await;
        })
        .await;
        name
    })
    .await
}

/// Creates a template unless it exists. A complete template gets its final name after connections are disabled, so a
/// template of that name is never half filled or in use.
async fn create_template(name: &str, from: &str, fill: impl AsyncFnOnce(DbConfig)) {
    let mut connection = maintenance_connection().await;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(TEMPLATE_LOCK).execute(&mut connection).await.unwrap();
    drop_stale_databases(&mut connection).await;
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    if !exists {
        let building = unique_db_name("building");
        execute(&mut connection, format!("CREATE DATABASE {building} TEMPLATE {from}")).await;
        fill(config_for(&building, 2)).await;
        execute(&mut connection, format!("ALTER DATABASE {building} WITH ALLOW_CONNECTIONS false")).await;
        let terminate = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{building}'");
        execute(&mut connection, terminate).await;
        execute(&mut connection, format!("ALTER DATABASE {building} RENAME TO {name}")).await;
    }
    let record_use =
        "DO $$ BEGIN EXECUTE format('COMMENT ON DATABASE %I IS %L', current_setting('app.name'), now()); END $$";
    execute(&mut connection, format!("SET app.name = '{name}'; {record_use}")).await;
    connection.close().await.unwrap();
}

/// Drops databases of ended runs, and templates unused for a week (of other branches, for example). A server that
/// only this process uses needs no other templates, so all of them are dropped.
async fn drop_stale_databases(connection: &mut PgConnection) {
    let databases: Vec<(String, Option<String>)> = sqlx::query_as(
        "SELECT datname::text, shobj_description(oid, 'pg_database')
         FROM pg_database
         WHERE starts_with(datname, $1) OR starts_with(datname, $2)",
    )
    .bind(RUN_DB_PREFIX)
    .bind(TEMPLATE_PREFIX)
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    let ours = [template_name(), format!("{}_seeded", template_name())];
    for (name, last_used) in databases {
        let is_stale = match name.strip_prefix(RUN_DB_PREFIX).and_then(|rest| rest.split_once('_')) {
            Some((run, _)) => run != TestRun::get().name && run_has_ended(connection, run).await,
            None => {
                !ours.contains(&name) && (TestServer::get().is_exclusive() || is_expired(connection, last_used).await)
            }
        };
        if is_stale {
            execute(connection, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        }
    }
}

async fn run_has_ended(connection: &mut PgConnection, run: &str) -> bool {
    // Succeeds only if the run's process has released the lock. The transaction ends at once, and the lock with it.
    let try_lock = "SELECT pg_try_advisory_xact_lock($1)";
    sqlx::query_scalar(try_lock).bind(lock_key(run)).fetch_one(connection).await.unwrap()
}

async fn is_expired(connection: &mut PgConnection, last_used: Option<String>) -> bool {
    let query = "SELECT coalesce($1::timestamptz < now() - interval '7 days', false)";
    sqlx::query_scalar(query).bind(last_used).fetch_one(connection).await.unwrap()
}

/// This test process. The names of its databases contain the run's name. Until it exits, it holds an advisory lock
/// derived from that name. Other processes use the lock to recognize databases of ended runs.
struct TestRun {
    name: String,
}

impl TestRun {
    fn get() -> &'static Self {
        static RUN: OnceLock<TestRun> = OnceLock::new();
        RUN.get_or_init(|| {
            let name = Uuid::now_v7().simple().to_string();
            let lock = lock_key(&name);
            let (locked, wait) = mpsc::channel();
            // The lock lives as long as its connection, and the connection as long as the process.
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let mut connection = maintenance_connection().await;
                    sqlx::query("SELECT pg_advisory_lock($1)").bind(lock).execute(&mut connection).await.unwrap();
                    locked.send(()).unwrap();
                    std::future::pending::<()>().await;
                });
            });
            wait.recv().unwrap();
            TestRun { name }
        })
    }
}

/// Returns a database name that is unique across runs.
fn unique_db_name(kind: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{RUN_DB_PREFIX}{}_{kind}_{}", TestRun::get().name, COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Returns the name of the migrated template. It contains a hash of the migrations and of the sources in `build.rs`, so
/// that a change to them leads to a new template.
fn template_name() -> String {
    let mut hasher = DefaultHasher::new();
    env!("TEMPLATE_SOURCES").hash(&mut hasher);
    for migration in MIGRATIONS.iter() {
        (migration.version, &*migration.checksum).hash(&mut hasher);
    }
    format!("{TEMPLATE_PREFIX}{:016x}", hasher.finish())
}

/// Returns the advisory lock key of a run.
fn lock_key(name: &str) -> i64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish().cast_signed()
}

pub(crate) async fn maintenance_connection() -> PgConnection {
    PgConnection::connect(&TestServer::get().url("postgres")).await.unwrap()
}

/// Executes SQL built from trusted names, such as those of [`unique_db_name`].
pub(crate) async fn execute(connection: &mut PgConnection, sql: String) {
    let result = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(connection).await;
    result.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// How long a test waits until its database has been dropped.
const DROP_WAIT: Duration = Duration::from_secs(2);

/// Drops a database on a separate thread with its own runtime: `Drop` can't await, and the test's runtime may be
/// shutting down.
///
/// The test's runtime is blocked meanwhile. If it was opening a connection, PostgreSQL waits for the client's answer to
/// its password request before it drops any database. Therefore the wait is limited. The thread continues when the
/// runtime has ended; if the process ends first, the next run drops the database.
fn drop_database(name: &str) {
    let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    let (dropped, wait) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = maintenance_connection().await;
            execute(&mut connection, sql).await;
            let _ = dropped.send(());
            let _ = connection.close().await;
        });
    });
    // Don't hide the panic of a failing test.
    if wait.recv_timeout(DROP_WAIT) == Err(RecvTimeoutError::Disconnected) && !std::thread::panicking() {
        panic!("failed to drop the database {name}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn exists(connection: &mut PgConnection, name: &str) -> bool {
        let query = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)").bind(name);
        query.fetch_one(connection).await.unwrap()
    }

    #[tokio::test]
    async fn stale_databases_are_dropped() {
        let (mut connection, mut other_run) = (maintenance_connection().await, maintenance_connection().await);
        // Keeps other processes from cleaning up in the meantime.
        sqlx::query("SELECT pg_advisory_lock($1)").bind(TEMPLATE_LOCK).execute(&mut connection).await.unwrap();
        let run = Uuid::now_v7().simple().to_string();
        sqlx::query("SELECT pg_advisory_lock($1)").bind(lock_key(&run)).execute(&mut other_run).await.unwrap();
        let ended = Uuid::now_v7().simple().to_string();
        let of_running = format!("{RUN_DB_PREFIX}{run}_clone_0");
        let [of_ended, of_this_run, old_template] =
            [format!("{RUN_DB_PREFIX}{ended}_clone_0"), unique_db_name("clone"), format!("{TEMPLATE_PREFIX}{ended}")];
        for name in [&of_running, &of_ended, &of_this_run, &old_template] {
            execute(&mut connection, format!("CREATE DATABASE {name}")).await;
        }
        execute(&mut connection, format!("COMMENT ON DATABASE {old_template} IS '2001-01-01'")).await;

        drop_stale_databases(&mut connection).await;
        let mut remaining = Vec::new();
        for name in [&of_running, &of_ended, &of_this_run, &old_template] {
            remaining.push(exists(&mut connection, name).await);
        }
        for name in [&of_running, &of_this_run] {
            execute(&mut connection, format!("DROP DATABASE {name}")).await;
        }
        assert_eq!(remaining, [true, false, true, false], "running run, ended run, this run, old template");
    }
}
