//! A database that hangs, is locked, or becomes a standby: other requests aren't affected, and errors arrive in time.

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    str::FromStr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use db::{
    DatabaseUrl, Db, DbConfig, DbDriver, DbError, OpenError, PostgresConfig, Readiness, SystemReason, UnauditedReason,
    open_db,
};
use embedded_postgres::{Options, Server};
use rstest::rstest;
use shaku::HasComponent;
use sqlx::postgres::PgConnectOptions;
use test_support::{SeededDb, TestDb, fixture_event, lock_waiters, role_names, seeded, test_db};
use tokio::{net::TcpListener, time::timeout};

use crate::{startup_checks::embedded_config, tcp_proxy::relay};

/// Far more than any deadline of the program.
const MAX_WAIT: Duration = Duration::from_secs(30);

async fn is_ready(db: &Db) -> Result<(), DbError> {
    let readiness: Arc<dyn Readiness> = db.module().resolve();
    readiness.ready().await
}

/// A stuck session holds one tenant's row, and many requests want it.
#[rstest]
#[tokio::test]
async fn locked_tenant_does_not_block_others(#[future(awt)] seeded: SeededDb) {
    let config = DbConfig { connect_timeout: Duration::from_secs(5), ..seeded.config(4) };
    let db = open_db(config).await.unwrap();
    let alice = seeded.seed.users.alice.id;
    let (acme, globex) = (seeded.scope(alice, "acme").await.unwrap(), seeded.scope(alice, "globex").await.unwrap());
    let rename = "UPDATE tenants SET name = name || '!'";
    let mut stuck = seeded.superuser().await;
    sqlx::raw_sql("BEGIN; SELECT FROM tenants WHERE slug = 'acme' FOR UPDATE").execute(&mut stuck).await.unwrap();
    let blocked: Vec<_> = (0..20)
        .map(|_| {
            let (database, acme) = (db.database(), Arc::clone(&acme));
            tokio::spawn(async move {
                let mut tx = database.begin(&acme).await?;
                sqlx::query(rename).execute(tx.conn()).await?;
                tx.commit(fixture_event()).await
            })
        })
        .collect();
    // The other tenant, sign-ins and readiness are served while all of them wait.
    while blocked.iter().any(|one| !one.is_finished()) {
        let others = async {
            let mut tx = db.database().begin(&globex).await?;
            sqlx::query(rename).execute(tx.conn()).await?;
            tx.commit(fixture_event()).await?;
            drop(db.system().begin(SystemReason::SignIn).await?);
            is_ready(&db).await
        };
        others.await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for one in blocked {
        let error = one.await.unwrap().unwrap_err();
        assert!(matches!(error, DbError::Unavailable(_) | DbError::TooManyTransactions), "{error:?}");
    }
    drop(stuck);
    let mut tx = db.database().begin(&acme).await.unwrap();
    sqlx::query(rename).execute(tx.conn()).await.unwrap();
    tx.commit(fixture_event()).await.unwrap();
}

/// Clients that disconnect while their transactions wait for a lock don't get more connections than others.
#[rstest]
#[tokio::test]
async fn cancelled_transaction_counts_until_rolled_back(#[future(awt)] seeded: SeededDb) {
    let db = open_db(seeded.config(8)).await.unwrap();
    let alice = seeded.seed.users.alice.id;
    let (acme, globex) = (seeded.scope(alice, "acme").await.unwrap(), seeded.scope(alice, "globex").await.unwrap());
    let (mut stuck, mut observer) = (seeded.superuser().await, seeded.superuser().await);
    sqlx::raw_sql("BEGIN; SELECT FROM tenants WHERE slug = 'acme' FOR UPDATE").execute(&mut stuck).await.unwrap();
    let (database, acme) = (db.database(), &acme);
    let wait_for_lock = async || {
        let mut tx = database.begin(acme).await?;
        let updated = sqlx::query("UPDATE tenants SET name = name || '!'").execute(tx.conn()).await;
        updated.map_err(DbError::from)
    };
    // Each is cancelled after a while, most of them while they wait for the lock. Longer than the lock timeout, since only
    // that ends a statement of a cancelled transaction.
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(4) {
        let wait = timeout(Duration::from_millis(30), wait_for_lock()).await;
        assert!(!matches!(wait, Ok(Ok(_))), "the row is locked");
        assert!(lock_waiters(&mut observer).await <= 2, "a tenant has at most a quarter of 8 connections");
        database.begin(&globex).await.unwrap().commit(fixture_event()).await.unwrap();
    }
}

/// Stops all processes of a server with SIGSTOP, until dropped.
struct Stopped(Vec<u32>);

impl Stopped {
    /// The postmaster first, so that it starts no processes meanwhile.
    fn new(postmaster: u32) -> Self {
        signal("-STOP", &[postmaster]);
        let children = std::fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children")).unwrap();
        let children: Vec<u32> = children.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
        signal("-STOP", &children);
        Self([vec![postmaster], children].concat())
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal("-CONT", &self.0);
    }
}

fn signal(signal: &str, pids: &[u32]) {
    // A process may have exited.
    Command::new("kill").arg(signal).args(pids.iter().map(ToString::to_string)).status().unwrap();
}

/// Starts the server of a directory. Its database is `tenantry`.
fn start(dir: &Path) -> Server {
    let options =
        Options { search_path: test_support::search_path(), durable: false, ..Options::new(dir.join("data")) };
    Server::start(options).unwrap()
}

fn url(server: &Server) -> String {
    let socket_dir = server.connection_info().socket_dir().display();
    format!("postgres://postgres@localhost:5432/tenantry?host={socket_dir}&sslmode=disable")
}

fn config(url: &str) -> DbConfig {
    DbConfig {
        driver: DbDriver::Postgres(PostgresConfig {
            url: DatabaseUrl::parse(url).unwrap(),
            migration_url: None,
            backup_url: None,
            roles: role_names(),
        }),
        pool_size: 3,
        connect_timeout: Duration::from_secs(5),
        production: false,
        migrate_on_start: false,
    }
}

/// When the tests run as root, the server runs as another user, who must be able to enter the directory.
fn temp_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// Creates a migrated embedded database, stopped.
async fn migrated_dir() -> tempfile::TempDir {
    let dir = temp_dir();
    open_db(DbConfig { migrate_on_start: true, ..embedded_config(dir.path()) }).await.unwrap().close().await;
    dir
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn stopped_server_is_an_error_in_time() {
    let dir = migrated_dir().await;
    let server = start(dir.path());
    let db = open_db(config(&url(&server))).await.unwrap();
    let (database, system) = (db.database(), db.system());
    let mut in_statement = system.begin(SystemReason::Seed).await.unwrap();
    let in_commit = system.begin(SystemReason::SignIn).await.unwrap();
    // An idle connection for the read.
    database.reader().fetch_all(|| sqlx::query("SELECT 1").try_map(|_| Ok(()))).await.unwrap();

    let stopped = Stopped::new(server.pid());
    let statement = async {
        let result = sqlx::query("SELECT 1").execute(in_statement.conn()).await;
        result.map(drop).map_err(DbError::from)
    };
    let read = async {
        let read = database.reader().fetch_all(|| sqlx::query("SELECT 1").try_map(|_| Ok(()))).await;
        // The next request doesn't find another connection to wait for.
        read.and(database.begin_unscoped().await.map(drop))
    };
    let work =
        async { tokio::join!(statement, in_commit.commit_unaudited(UnauditedReason::DemoData), read, is_ready(&db)) };
    let (statement, commit, read, ready) = timeout(MAX_WAIT, work).await.unwrap();
    for result in [statement, commit, read, ready] {
        assert!(matches!(result, Err(DbError::Unavailable(_))), "{result:?}");
    }
    drop(in_statement);

    drop(stopped);
    for _ in 0..3 {
        is_ready(&db).await.unwrap();
        system.begin(SystemReason::Seed).await.unwrap().commit_unaudited(UnauditedReason::DemoData).await.unwrap();
    }
    // The transaction whose commit got no answer isn't open in the pool.
    timeout(MAX_WAIT, db.close()).await.unwrap();
}

/// Copies a stopped database as a standby. `-a` keeps the owner, which is another user when the tests run as root.
fn copy_as_standby(from: &Path) -> tempfile::TempDir {
    let dir = temp_dir();
    let copied = Command::new("cp").arg("-a").arg(from.join("data")).arg(dir.path()).status().unwrap();
    assert!(copied.success());
    std::fs::write(dir.path().join("data/data/standby.signal"), "").unwrap();
    dir
}

/// Relays each new connection to the current target.
async fn switchable_proxy(target: Arc<Mutex<String>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = PgConnectOptions::from_str(&target.lock().unwrap()).unwrap();
            tokio::spawn(async move { relay(client, &server, &[]).await });
        }
    });
    format!("postgres://postgres@127.0.0.1:{port}/tenantry?sslmode=disable")
}

#[tokio::test]
async fn standby_is_rejected_and_its_connections_discarded() {
    let primary_dir = migrated_dir().await;
    let standby_dir = copy_as_standby(primary_dir.path());
    let (primary, standby) = (start(primary_dir.path()), start(standby_dir.path()));

    let error = open_db(config(&url(&standby))).await.unwrap_err();
    assert!(matches!(error, OpenError::Standby { .. }), "{error:?}");
    assert!(!error.to_string().contains('\n'), "{error}");
    let error = db::DbServer::start(config(&url(&standby))).await.map(drop).unwrap_err();
    assert!(matches!(error, OpenError::Standby { .. }), "{error:?}");

    let target = Arc::new(Mutex::new(url(&primary)));
    let db = open_db(config(&switchable_proxy(Arc::clone(&target)).await)).await.unwrap();
    let terminate = |server: &Server| {
        let terminate = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                         WHERE datname = 'tenantry' AND pid <> pg_backend_pid()";
        let mut psql = server.connection_info().command("psql", "tenantry").unwrap();
        assert!(psql.args(["-XAtqc", terminate]).output().unwrap().status.success());
    };
    let begin = async || db.system().begin(SystemReason::Seed).await.map(drop);
    let database = db.database();
    let read = async || {
        let query = || sqlx::query("SELECT user_scope(gen_random_uuid())").try_map(|_| Ok(()));
        database.reader().fetch_all(query).await
    };
    begin().await.unwrap();

    // New connections lead to the standby.
    *target.lock().unwrap() = url(&standby);
    terminate(&primary);
    for error in [begin().await.unwrap_err(), read().await.map(drop).unwrap_err()] {
        assert!(matches!(error, DbError::Unavailable(_)), "{error:?}");
    }
    assert!(matches!(is_ready(&db).await, Err(DbError::Standby)));

    // Those that are left don't delay the recovery, whichever request finds them.
    for read_first in [false, true] {
        drop(tokio::join!(database.begin_unscoped(), database.begin_unscoped()));
        *target.lock().unwrap() = url(&primary);
        if read_first {
            read().await.unwrap();
        }
        begin().await.unwrap();
        is_ready(&db).await.unwrap();
        *target.lock().unwrap() = url(&standby);
        terminate(&primary);
    }

    // A promotion ends the outage without a restart.
    let mut promote = standby.connection_info().command("psql", "tenantry").unwrap();
    assert!(promote.args(["-XAtqc", "SELECT pg_promote()"]).output().unwrap().status.success());
    begin().await.unwrap();
    is_ready(&db).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn other_encoding_is_rejected(#[future(awt)] test_db: TestDb) {
    // The server's own database exists in each cluster, the one created here has another encoding.
    let name = format!("latin_{}", uuid::Uuid::now_v7().simple());
    let create = format!("CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0");
    test_db.execute(&create).await;
    let url = test_db.url();
    let (before, query) = url.split_once('?').unwrap_or((&url, ""));
    let url = format!("{}/{name}?{query}", before.rsplit_once('/').unwrap().0);
    let started = db::DbServer::start(config(&url)).await.map(drop);
    test_db.execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
    let error = started.unwrap_err();
    assert!(matches!(&error, OpenError::Encoding { encoding, .. } if encoding == "SQL_ASCII"), "{error:?}");
    assert!(error.to_string().contains("ENCODING 'UTF8' TEMPLATE template0"), "{error}");
}
