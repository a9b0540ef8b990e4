//! The kinds of transaction: visibility, cancellation, and connection loss.

use std::{
    cell::Cell,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use db::{Database, DbError, SystemReason, Tx};
use rstest::rstest;
use sqlx::Row;
use test_support::{SeededDb, TestDb, fixture_event, seeded};

use crate::tcp_proxy::{relay, through_proxy};

/// Returns the number of visible tenants and the current role.
async fn tenants_and_role(tx: &mut Tx) -> (i64, String) {
    let query = sqlx::query_as("SELECT count(*), current_user::text FROM tenants");
    query.fetch_one(tx.conn()).await.unwrap()
}

#[rstest]
#[tokio::test]
async fn each_transaction_kind_sees_only_its_rows(#[future(awt)] seeded: SeededDb) {
    let (database, alice) = (seeded.db.database(), seeded.seed.users.alice.id);

    let mut unscoped = database.begin_unscoped().await.unwrap();
    let (expected, rule) = (
        (0, "tenantry_app".into()),
        "a transaction without a scope sees no tenant; check the role and the settings that it sets",
    );
    assert_eq!(tenants_and_role(&mut unscoped).await, expected, "{rule}");

    let mut user_tx = database.begin_for_user(&seeded.identity(alice).await.unwrap()).await.unwrap();
    let (expected, rule) =
        ((2, "tenantry_app".into()), "a user sees the tenants with a membership; check the policies on `tenants`");
    assert_eq!(tenants_and_role(&mut user_tx).await, expected, "{rule}");

    let mut tenant = database.begin(&seeded.scope(alice, "acme").await.unwrap()).await.unwrap();
    let (expected, rule) =
        ((1, "tenantry_app".into()), "a tenant transaction sees one tenant; check the policies on `tenants`");
    assert_eq!(tenants_and_role(&mut tenant).await, expected, "{rule}");
    assert_eq!(tenant.tenant(), seeded.seed.tenants.acme.id);

    let mut system = seeded.db.system().begin(SystemReason::Seed).await.unwrap();
    let (expected, rule) =
        ((2, "tenantry_system".into()), "a system transaction sees all tenants, as `tenantry_system`");
    assert_eq!(tenants_and_role(&mut system).await, expected, "{rule}");
    assert_eq!(system.reason(), SystemReason::Seed);
}

#[rstest]
#[case::write("DELETE FROM memberships", "25006")]
#[case::reset("SET TRANSACTION READ WRITE", "25001")]
#[tokio::test]
async fn unscoped_transactions_stay_read_only(
    #[future(awt)] seeded: SeededDb,
    #[case] statement: &'static str,
    #[case] code: &str,
) {
    let database = seeded.db.database();
    let identity = seeded.identity(seeded.seed.users.bob.id).await.unwrap();
    let mut unscoped = database.begin_unscoped().await.unwrap();
    let mut user_tx = database.begin_for_user(&identity).await.unwrap();
    for tx in [&mut unscoped, &mut *user_tx] {
        let error = sqlx::query(statement).execute(tx.conn()).await.unwrap_err();
        assert_eq!(
            error.as_database_error().unwrap().code().unwrap(),
            code,
            "{statement} must fail: unscoped transactions only read"
        );
    }
}

#[rstest]
#[tokio::test]
async fn drop_rolls_back(#[future(awt)] seeded: SeededDb) {
    let scope = seeded.scope(seeded.seed.users.alice.id, "acme").await.unwrap();
    let rename = "UPDATE roles SET name = 'boss', name_key = 'boss' WHERE name = 'admin'";
    let renamed_roles = async || {
        let mut tx = seeded.db.database().begin(&scope).await.unwrap();
        let count = sqlx::query("SELECT count(*) FROM roles WHERE name = 'boss'").fetch_one(tx.conn()).await.unwrap();
        count.get::<i64, _>(0)
    };

    let mut tx = seeded.db.database().begin(&scope).await.unwrap();
    sqlx::query(rename).execute(tx.conn()).await.unwrap();
    drop(tx);
    assert_eq!(renamed_roles().await, 0, "a dropped transaction is rolled back");

    let mut tx = seeded.db.database().begin(&scope).await.unwrap();
    sqlx::query(rename).execute(tx.conn()).await.unwrap();
    tx.commit(fixture_event()).await.unwrap();
    assert_eq!(renamed_roles().await, 1, "a committed transaction keeps its changes");
}

#[rstest]
#[tokio::test]
async fn commit_of_aborted_tx_is_an_error(#[future(awt)] seeded: SeededDb) {
    let scope = seeded.scope(seeded.seed.users.alice.id, "acme").await.unwrap();
    let mut tx = seeded.db.database().begin(&scope).await.unwrap();
    assert!(sqlx::query("SELECT 1 / 0").execute(tx.conn()).await.is_err());
    assert!(matches!(tx.commit(fixture_event()).await, Err(DbError::Aborted)));
}

/// Polls `work` for this long, then drops it. Returns whether it was still pending.
async fn cancel_after<F: Future>(delay: Duration, work: F) -> bool {
    let mut work = pin!(work);
    let started = Instant::now();
    loop {
        if std::future::poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await.is_ready() {
            return false;
        }
        if started.elapsed() >= delay {
            return true;
        }
        // Lets the runtime drive what the future is waiting for.
        tokio::task::yield_now().await;
    }
}

/// Cancels the work later and later, in steps shorter than any await, until it has completed ten times. It has then
/// been cancelled at every await. Calls `check` after each attempt.
pub(crate) async fn cancel_at_every_await<F: Future>(mut work: impl AsyncFnMut() -> F, mut check: impl AsyncFnMut()) {
    let (mut delay, mut completed) = (Duration::ZERO, 0);
    while completed < 10 {
        completed += u32::from(!cancel_after(delay, work().await).await);
        delay += Duration::from_micros(4);
        check().await;
    }
}

/// A client that disconnects drops its request at any await. With a single connection, the next request gets whatever
/// was left behind: an open transaction would expose another user's rows and lose the request's writes.
#[rstest]
#[tokio::test]
async fn cancelled_begin_leaks_nothing(#[future(awt)] seeded: SeededDb) {
    let single = db::open_db(seeded.config(1)).await.unwrap();
    let alice = seeded.seed.users.alice.id;
    let (identity, scope) = (seeded.identity(alice).await.unwrap(), seeded.scope(alice, "acme").await.unwrap());
    let (database, system) = (single.database(), single.system());
    let check = async || assert_session_is_clean(&*database).await;
    cancel_at_every_await(async || database.begin(&scope), check).await;
    cancel_at_every_await(async || database.begin_for_user(&identity), check).await;
    cancel_at_every_await(async || database.begin_unscoped(), check).await;
    cancel_at_every_await(async || system.begin(SystemReason::Seed), check).await;

    // A write through the same connection persists.
    let mut tx = database.begin(&scope).await.unwrap();
    sqlx::query("UPDATE roles SET name = 'boss', name_key = 'boss' WHERE name = 'admin'")
        .execute(tx.conn())
        .await
        .unwrap();
    tx.commit(fixture_event()).await.unwrap();
    let mut superuser = seeded.superuser().await;
    let boss: i64 =
        sqlx::query_scalar("SELECT count(*) FROM roles WHERE name = 'boss'").fetch_one(&mut superuser).await.unwrap();
    assert_eq!(boss, 1);
}

pub(crate) async fn assert_session_is_clean(database: &dyn Database) {
    let mut tx = database.begin_unscoped().await.unwrap();
    let session = "SELECT (SELECT count(*) FROM tenants), current_user::text,
           coalesce(current_setting('app.tenant_id', true), ''), coalesce(current_setting('app.user_id', true), '')";
    let session: (i64, String, String, String) = sqlx::query_as(session).fetch_one(tx.conn()).await.unwrap();
    assert_eq!(session, (0, "tenantry_app".into(), String::new(), String::new()));
}

#[rstest]
#[tokio::test]
async fn cancelled_commit_is_atomic(#[future(awt)] seeded: SeededDb) {
    let scope = seeded.scope(seeded.seed.users.alice.id, "acme").await.unwrap();
    let round = Cell::new(0);
    #[expect(clippy::async_yields_async, reason = "only the commit is cancelled, not the update before it")]
    let rename_and_commit = async || {
        round.set(round.get() + 1);
        let mut tx = seeded.db.database().begin(&scope).await.unwrap();
        let rename = "UPDATE roles SET name = $1, name_key = $1 WHERE is_system AND name <> 'member'";
        sqlx::query(rename).bind(format!("role-{}", round.get())).execute(tx.conn()).await.unwrap();
        tx.commit(fixture_event())
    };
    // The row can be locked, so the transaction has ended: a commit that has begun isn't cancelled.
    cancel_at_every_await(rename_and_commit, async || {
        let mut tx = seeded.db.database().begin(&scope).await.unwrap();
        let lock = "SELECT name FROM roles WHERE name <> 'member' FOR UPDATE";
        let row = sqlx::query(lock).fetch_one(tx.conn()).await.unwrap();
        assert_eq!(row.get::<String, _>(0), format!("role-{}", round.get()));
    })
    .await;
}

/// Terminates all connections of the pool. Returns their number.
pub(crate) async fn terminate_connections(seeded: &TestDb) -> usize {
    let mut superuser = seeded.superuser().await;
    let terminate = sqlx::query(
        "SELECT pg_terminate_backend(pid, 5000)
         FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    terminate.fetch_all(&mut superuser).await.unwrap().len()
}

#[rstest]
#[tokio::test]
async fn requests_survive_connection_loss(#[future(awt)] seeded: SeededDb) {
    let alice = seeded.seed.users.alice.id;
    let (identity, scope) = (seeded.identity(alice).await.unwrap(), seeded.scope(alice, "acme").await.unwrap());
    let (database, system) = (seeded.db.database(), seeded.db.system());
    for _ in 0..5 {
        // As many connections as the pool can hold, all idle when they are terminated.
        let open = tokio::join!(database.begin_unscoped(), database.begin_unscoped(), database.begin_unscoped());
        drop(open);
        assert_eq!(tenants_and_role(&mut database.begin(&scope).await.unwrap()).await.0, 1);
        assert!(terminate_connections(&seeded).await > 0);
        assert_eq!(tenants_and_role(&mut database.begin(&scope).await.unwrap()).await.0, 1);
        terminate_connections(&seeded).await;
        assert_eq!(tenants_and_role(&mut database.begin_for_user(&identity).await.unwrap()).await.0, 2);
        terminate_connections(&seeded).await;
        assert_eq!(tenants_and_role(&mut system.begin(SystemReason::Seed).await.unwrap()).await.0, 2);
    }
}

/// One attempt for each possible dead connection in the pool, plus one more.
#[rstest]
#[tokio::test]
async fn persistent_disconnects_become_an_error(#[future(awt)] seeded: SeededDb) {
    let (disconnect, connections) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let (proxy_disconnects, proxy_connections) = (Arc::clone(&disconnect), Arc::clone(&connections));
    let config = through_proxy(&seeded, move |client, server| {
        let disconnects = proxy_disconnects.load(Ordering::SeqCst);
        proxy_connections.fetch_add(1, Ordering::SeqCst);
        async move {
            if !disconnects {
                relay(client, &server, &[]).await;
            }
        }
    });
    let db = db::open_db(db::DbConfig { pool_size: 3, ..config.await }).await.unwrap();
    let database = db.database();
    drop(tokio::join!(database.begin_unscoped(), database.begin_unscoped(), database.begin_unscoped()));
    disconnect.store(true, Ordering::SeqCst);
    terminate_connections(&seeded).await;
    // This attempt uses the terminated connections; the next one only new ones.
    assert!(matches!(database.begin_unscoped().await, Err(DbError::Unavailable(_))));
    let before = connections.load(Ordering::SeqCst);
    assert!(matches!(database.begin_unscoped().await, Err(DbError::Unavailable(_))));
    assert_eq!(connections.load(Ordering::SeqCst) - before, 4);
    disconnect.store(false, Ordering::SeqCst);
    assert!(database.begin_unscoped().await.is_ok());
}

#[rstest]
#[tokio::test]
async fn exhausted_pool_times_out(#[future(awt)] seeded: SeededDb) {
    let config = db::DbConfig { connect_timeout: Duration::from_millis(200), ..seeded.config(1) };
    let single = db::open_db(config).await.unwrap();
    let database: Arc<dyn Database> = single.database();
    let in_use = database.begin_unscoped().await.unwrap();
    assert!(matches!(database.begin_unscoped().await, Err(DbError::Unavailable(_))));
    drop(in_use);
    assert!(database.begin_unscoped().await.is_ok());
}

#[rstest]
#[tokio::test]
async fn app_role_cannot_be_reset(#[future(awt)] seeded: SeededDb) {
    let database = seeded.db.database();
    for statement in ["RESET ROLE", "RESET ALL", "SET ROLE NONE; RESET ROLE"] {
        let mut tx = database.begin_unscoped().await.unwrap();
        sqlx::raw_sql(statement).execute(tx.conn()).await.unwrap();
        assert_eq!(tenants_and_role(&mut tx).await.1, "tenantry_app", "{statement}");
    }
}
