//! One tenant can't take all connections or all of the computation time with its changes.

use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use authorization_api::{Effect, Policies, PolicyDraft, PolicyManage, PolicyTarget, RoleManage, Roles};
use kernel::{PermissionInfo, Permit};
use rstest::rstest;
use serde_json::{Value, json};
use shaku::HasComponent;
use sqlx::{Connection, PgConnection};
use test_support::{TestDb, TestTenant, lock_waiters, test_db};
use tokio::{sync::watch, task::JoinSet, time::timeout};

use crate::helpers::{module, outcome, outcomes};

static PERMISSIONS: [PermissionInfo; 1] =
    [PermissionInfo { name: "user:read", resource: "user", verb: "read", about: "" }];

/// Makes twenty changes in a tenant, all of which must succeed.
async fn create_roles(roles: &dyn Roles, permit: &Permit<RoleManage>) {
    for number in 0..20 {
        roles.create(permit, &format!("role {number}").parse().unwrap()).await.unwrap();
    }
}

#[rstest]
#[tokio::test]
async fn locked_tenant_leaves_connections_to_others(#[future(awt)] test_db: TestDb) {
    let roles: Arc<dyn Roles> = module(&test_db).resolve();
    let (locked, other) = (test_db.create_tenant().await, test_db.create_tenant().await);
    let admin_permit = async |tenant: &TestTenant| {
        let admin = test_db.create_member(tenant, tenant.admin_role).await;
        Arc::new(test_db.permit::<RoleManage>(admin, tenant.id).await.unwrap())
    };
    let (locked_permit, other_permit) = (admin_permit(&locked).await, admin_permit(&other).await);
    let (mut observer, mut session) = (test_db.superuser().await, test_db.superuser().await);
    let mut lock = session.begin().await.unwrap();
    sqlx::query("SELECT FROM tenants WHERE id = $1 FOR UPDATE")
        .bind(locked.id.as_uuid())
        .execute(&mut *lock)
        .await
        .unwrap();
    let mut tasks = JoinSet::new();
    for number in 0..50 {
        let (roles, permit) = (Arc::clone(&roles), Arc::clone(&locked_permit));
        tasks.spawn(async move { outcome(&roles.create(&permit, &format!("role {number}").parse().unwrap()).await) });
    }
    let both_wait = async {
        while lock_waiters(&mut observer).await < 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), both_wait).await.expect("two changes wait for the lock");
    // Each round trip gives other changes the time to wait for the lock as well.
    for _ in 0..50 {
        assert!(lock_waiters(&mut observer).await <= 2, "a tenant has at most a quarter of the pool");
    }
    create_roles(&*roles, &other_permit).await;
    lock.rollback().await.unwrap();
    let outcomes: BTreeMap<_, _> = outcomes(tasks).await;
    assert_eq!(outcomes.values().sum::<usize>(), 50, "{outcomes:?}");
}

/// Inserts policies for every member whose conditions differ for each role, and many roles. They reach the limits, so
/// that checking a change for every role takes as long as possible.
async fn insert_expensive_policies(test_db: &TestDb, tenant: &TestTenant) {
    let mut superuser = test_db.superuser().await;
    sqlx::query(
        "INSERT INTO roles (tenant_id, id, name, name_key)
         SELECT $1, ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'role ' || n, 'role ' || n
         FROM generate_series(1, 98) AS n",
    )
    .bind(tenant.id.as_uuid())
    .execute(&mut superuser)
    .await
    .unwrap();
    for number in 0..156 {
        let part = |role: usize| {
            json!({"not": {"any": [
                {"attribute": {"name": "subject.role", "is": format!("00000000-0000-0000-0000-{role:012}")}},
                {"feature": format!("{number}-{role}")},
            ]}})
        };
        let condition: Value = json!({"any": (1..16).map(part).collect::<Vec<_>>()});
        sqlx::query(
            "INSERT INTO policies (tenant_id, id, effect, resource, verbs, condition, digest)
             VALUES ($1, gen_random_uuid(), 'allow', 'user', '{read}', $2, sha256($2::text::bytea))",
        )
        .bind(tenant.id.as_uuid())
        .bind(condition)
        .execute(&mut superuser)
        .await
        .unwrap();
    }
}

/// A change to a policy for every member is compared for each role. A current-thread runtime has one worker.
#[rstest]
#[tokio::test(flavor = "current_thread")]
async fn expensive_check_does_not_block_worker(#[future(awt)] test_db: TestDb) {
    let policies: Arc<dyn Policies> = module(&test_db).resolve();
    let large = test_db.create_tenant().await;
    insert_expensive_policies(&test_db, &large).await;
    let admin = test_db.create_member(&large, large.admin_role).await;
    let manage = test_db.permit::<PolicyManage>(admin, large.id).await.unwrap();
    let (longest_pause, pause) = watch::channel(Duration::ZERO);
    let worker = tokio::spawn(async move {
        let mut last = Instant::now();
        loop {
            tokio::task::yield_now().await;
            longest_pause.send_modify(|longest| *longest = last.elapsed().max(*longest));
            last = Instant::now();
        }
    });
    let target = PolicyTarget::new(&PERMISSIONS, "user", &["read".to_owned()]).unwrap();
    let draft = PolicyDraft { role: None, effect: Effect::Allow, target, condition: None };
    let started = Instant::now();
    policies.create(&manage, &draft).await.unwrap();
    let change = started.elapsed();
    worker.abort();
    let pause = *pause.borrow();
    assert!(pause < change / 2, "the worker served nothing else for {pause:?} of {change:?}");
}

/// Returns the number of transactions that wait for the program, for at least 50 ms.
async fn idle_transactions(connection: &mut PgConnection) -> i64 {
    let count = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND state = 'idle in transaction' AND state_change < now() - interval '50 ms'";
    sqlx::query_scalar(count).fetch_one(connection).await.unwrap()
}

/// The runtime has one thread for blocking work. The test occupies it, and so decides when the check runs.
#[test]
fn cancelled_check_keeps_its_transaction_until_it_ends() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let test_db = test_db().await;
        let policies: Arc<dyn Policies> = module(&test_db).resolve();
        let tenant = test_db.create_tenant().await;
        let admin = test_db.create_member(&tenant, tenant.admin_role).await;
        let manage = test_db.permit::<PolicyManage>(admin, tenant.id).await.unwrap();
        let target = PolicyTarget::new(&PERMISSIONS, "user", &["read".to_owned()]).unwrap();
        let draft = PolicyDraft { role: None, effect: Effect::Allow, target, condition: None };
        let mut observer = test_db.superuser().await;
        let (release, released) = mpsc::channel::<()>();
        let occupied = tokio::task::spawn_blocking(move || released.recv());
        let change = tokio::spawn(async move { policies.create(&manage, &draft).await });
        while idle_transactions(&mut observer).await == 0 {
            assert!(!change.is_finished(), "the check ran before the test permitted it");
            tokio::task::yield_now().await;
        }
        change.abort();
        assert!(change.await.unwrap_err().is_cancelled());
        // A rollback would take about a millisecond.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(idle_transactions(&mut observer).await, 1, "the share is free although the check hasn't ended");
        release.send(()).unwrap();
        occupied.await.unwrap().unwrap();
        let rolled_back = async {
            while idle_transactions(&mut observer).await > 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), rolled_back).await.expect("the cancelled change is rolled back");
    });
}
