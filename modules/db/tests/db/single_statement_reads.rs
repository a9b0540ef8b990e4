//! Single-statement reads: visibility, cancellation and fairness.

use std::{cell::Cell, sync::Arc, time::Duration};

use db::{DbError, Reader, SystemReason};
use rstest::rstest;
use sqlx::{
    Row,
    postgres::{PgArguments, PgRow},
    query::Map,
};
use test_support::{SeededDb, fixture_event, seeded};

use crate::transactions::{assert_session_is_clean, cancel_at_every_await, terminate_connections};

type Count<'q> = Map<'q, sqlx::Postgres, fn(PgRow) -> Result<i64, sqlx::Error>, PgArguments>;

fn count(sql: &'static str) -> Count<'static> {
    sqlx::query(sql).try_map(|row| row.try_get(0))
}

/// Returns a statement with its own scope and the fences.
fn members_of(tenant: uuid::Uuid) -> Count<'static> {
    sqlx::query(
        "SELECT m.count
         FROM (SELECT tenant_scope($1) AS tenant_id OFFSET 0) AS s,
           LATERAL (SELECT count(*) FROM memberships AS m WHERE m.tenant_id = s.tenant_id OFFSET 0) AS m",
    )
    .bind(tenant)
    .try_map(|row| row.try_get(0))
}

async fn read_one(reader: &Reader, query: impl Fn() -> Count<'static>) -> i64 {
    reader.fetch_optional(query).await.unwrap().unwrap()
}

#[rstest]
#[tokio::test]
async fn read_is_limited_to_its_scope(#[future(awt)] seeded: SeededDb) {
    let reader = seeded.db.database().reader();
    let (acme, globex) = (seeded.seed.tenants.acme.id.as_uuid(), seeded.seed.tenants.globex.id.as_uuid());
    for _ in 0..3 {
        assert_eq!(read_one(&reader, || members_of(acme)).await, 2);
        assert_eq!(read_one(&reader, || count("SELECT count(*) FROM memberships")).await, 0);
        assert_eq!(read_one(&reader, || members_of(globex)).await, 1);
        assert_eq!(read_one(&reader, || count("SELECT count(*) FROM tenants")).await, 0);
    }
}

#[rstest]
#[tokio::test]
async fn cancelled_read_leaks_nothing(#[future(awt)] seeded: SeededDb) {
    let single = db::open_db(seeded.config(1)).await.unwrap();
    let (database, acme) = (single.database(), seeded.seed.tenants.acme.id.as_uuid());
    let reader = database.reader();
    let read = async || reader.fetch_all(move || members_of(acme));
    cancel_at_every_await(read, async || {
        assert_eq!(read_one(&reader, || count("SELECT count(*) FROM memberships")).await, 0);
        assert_session_is_clean(&*database).await;
    })
    .await;
}

/// Also tests readers that use all connections at once.
#[rstest]
#[tokio::test]
async fn reads_survive_connection_loss(#[future(awt)] seeded: SeededDb, #[values(1, 3, 5)] pool_size: u32) {
    let db = db::open_db(seeded.config(pool_size)).await.unwrap();
    let (reader, acme) = (db.database().reader(), seeded.seed.tenants.acme.id.as_uuid());
    let read = || read_one(&reader, || members_of(acme));
    for _ in 0..5 {
        assert_eq!(tokio::join!(read(), read(), read()), (2, 2, 2));
        assert!(terminate_connections(&seeded).await > 0);
        assert_eq!(tokio::join!(read(), read(), read()), (2, 2, 2));
    }
}

/// SQLSTATEs: how often a pool of three connections executes the read, and whether the error is temporary.
const FAILURES: [(&str, u32, bool); 6] = [
    ("08006", 4, true),
    ("57P01", 4, true),
    ("40001", 4, true),
    ("53100", 1, true),
    ("57014", 1, true),
    ("42501", 1, false),
];

/// Executes statements that fail with the SQLSTATE `code`: one at once, one at the commit.
const CREATE_FAILURES: &str = "
    CREATE FUNCTION fails(code text) RETURNS bigint LANGUAGE plpgsql
      AS $$ BEGIN RAISE 'simulated' USING ERRCODE = code; END $$;
    CREATE FUNCTION fail_at_commit() RETURNS trigger LANGUAGE plpgsql
      AS $$ BEGIN PERFORM fails(NEW.code); RETURN NULL; END $$;
    CREATE TABLE failing_at_commit (code text);
    GRANT INSERT ON failing_at_commit TO PUBLIC;
    CREATE CONSTRAINT TRIGGER fail_at_commit AFTER INSERT ON failing_at_commit DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION fail_at_commit()";

fn failing_read(code: &str) -> Map<'_, sqlx::Postgres, impl FnMut(PgRow) -> Result<i64, sqlx::Error>, PgArguments> {
    sqlx::query("SELECT fails($1)").bind(code).try_map(|row: PgRow| row.try_get(0))
}

/// A read is executed once, and then retried at most once per connection of the pool. It is retried only if the
/// connection or a concurrent transaction is at fault.
#[rstest]
#[tokio::test]
async fn retry_is_bounded(#[future(awt)] seeded: SeededDb) {
    let db = db::open_db(seeded.config(3)).await.unwrap();
    seeded.execute(CREATE_FAILURES).await;
    for (code, attempts, unavailable) in FAILURES {
        let executed = Cell::new(0);
        let query = || {
            executed.set(executed.get() + 1);
            failing_read(code)
        };
        let error = db.database().reader().fetch_all(query).await.unwrap_err();
        assert_eq!((executed.get(), matches!(error, DbError::Unavailable(_))), (attempts, unavailable), "{error:?}");
    }
}

/// A transaction that fails, at a statement or at its commit, is answered as a read that fails with the same code.
#[rstest]
#[tokio::test]
async fn writes_and_reads_answer_alike(#[future(awt)] seeded: SeededDb) {
    let database = seeded.db.database();
    seeded.execute(CREATE_FAILURES).await;
    let scope = seeded.scope(seeded.seed.users.alice.id, "acme").await.unwrap();
    for (code, _, unavailable) in FAILURES {
        let read = database.reader().fetch_all(|| failing_read(code)).await.unwrap_err();

        let mut tx = database.begin(&scope).await.unwrap();
        let statement = sqlx::query("SELECT fails($1)").bind(code).execute(tx.conn()).await.unwrap_err();
        drop(tx);

        let mut tx = database.begin(&scope).await.unwrap();
        let insert = sqlx::query("INSERT INTO failing_at_commit VALUES ($1)");
        insert.bind(code).execute(tx.conn()).await.unwrap();
        let commit = tx.commit(fixture_event()).await.unwrap_err();

        for (step, error) in [("read", read), ("statement", statement.into()), ("commit", commit)] {
            match &error {
                DbError::Unavailable(source) | DbError::Query(source) => {
                    assert_eq!(source.as_database_error().unwrap().code().as_deref(), Some(code), "{step}");
                }
                other => panic!("{code} {step}: {other:?}"),
            }
            assert_eq!(matches!(error, DbError::Unavailable(_)), unavailable, "{code} {step}");
        }
    }
    assert_session_is_clean(&*database).await;
}

/// Many readers and transactions share a few connections.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_pool_serves_reads_and_transactions(#[future(awt)] seeded: SeededDb) {
    let db = db::open_db(seeded.config(2)).await.unwrap();
    let (database, system) = (db.database(), db.system());
    let acme = seeded.seed.tenants.acme.id.as_uuid();
    let scope = seeded.scope(seeded.seed.users.alice.id, "acme").await.unwrap();
    let mut tasks = Vec::new();
    for _ in 0..24 {
        let reader = database.reader();
        tasks.push(tokio::spawn(async move {
            for _ in 0..40 {
                assert_eq!(read_one(&reader, || members_of(acme)).await, 2);
            }
        }));
    }
    for _ in 0..8 {
        let (database, system, scope) = (Arc::clone(&database), Arc::clone(&system), Arc::clone(&scope));
        tasks.push(tokio::spawn(async move {
            for _ in 0..20 {
                database.begin(&scope).await.unwrap().commit(fixture_event()).await.unwrap();
                drop(system.begin(SystemReason::Seed).await.unwrap());
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// Transactions are served even if readers never pause.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_do_not_starve_transactions(#[future(awt)] seeded: SeededDb) {
    let single = db::open_db(seeded.config(1)).await.unwrap();
    let (database, acme) = (single.database(), seeded.seed.tenants.acme.id.as_uuid());
    let scope = seeded.scope(seeded.seed.users.alice.id, "acme").await.unwrap();
    let readers = (0..3).map(|_| {
        let reader = database.reader();
        tokio::spawn(async move {
            loop {
                assert_eq!(read_one(&reader, || members_of(acme)).await, 2);
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    for _ in 0..20 {
        database.begin(&scope).await.unwrap().commit(fixture_event()).await.unwrap();
    }
    for reader in readers {
        reader.abort();
        assert!(reader.await.is_err_and(|stopped: tokio::task::JoinError| stopped.is_cancelled()));
    }
}

/// Each worker of the web server has its own runtime, and an idle one exits before the others.
#[rstest]
#[tokio::test]
async fn runtime_shutdown_does_not_break_others(#[future(awt)] seeded: SeededDb) {
    let db = db::open_db(seeded.config(2)).await.unwrap();
    let (database, acme) = (db.database(), seeded.seed.tenants.acme.id.as_uuid());
    for _ in 0..3 {
        let reader = database.reader();
        let other_runtime = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let read = || read_one(&reader, || members_of(acme));
                assert_eq!(tokio::join!(read(), read(), read()), (2, 2, 2));
            });
        });
        other_runtime.await.unwrap();
        // The connections of the finished runtime are unusable and must not affect others.
        let reader = database.reader();
        assert_eq!(read_one(&reader, || members_of(acme)).await, 2);
        let (first, second) = tokio::join!(database.begin_unscoped(), database.begin_unscoped());
        drop((first.unwrap(), second.unwrap()));
    }
}

#[rstest]
#[tokio::test]
async fn closed_pool_fails_immediately(#[future(awt)] seeded: SeededDb) {
    let db = db::open_db(seeded.config(2)).await.unwrap();
    let reader = db.database().reader();
    assert_eq!(read_one(&reader, || count("SELECT count(*) FROM tenants")).await, 0);
    tokio::time::timeout(Duration::from_secs(20), db.close()).await.expect("closing doesn't wait for idle connections");
    assert!(reader.fetch_all(|| count("SELECT count(*) FROM tenants")).await.is_err());
}
