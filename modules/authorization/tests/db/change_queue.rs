//! One tenant can't take all connections or all of the computation time with its changes.

use std::{collections::BTreeMap, sync::Arc};

use authorization_api::{Effect, Policies, PolicyDraft, PolicyManage, PolicyTarget, RoleManage, Roles};
use kernel::{PermissionInfo, Permit};
use rstest::rstest;
use serde_json::{Value, json};
use shaku::HasComponent;
use sqlx::{Connection, PgConnection};
use test_support::{TestDb, TestTenant, test_db};
use tokio::task::JoinSet;

use crate::helpers::{module, outcome, outcomes};

static PERMISSIONS: [PermissionInfo; 1] =
    [PermissionInfo { name: "user:read", resource: "user", verb: "read", about: "" }];

/// Returns the number of sessions that wait for a lock.
async fn lock_waiters(connection: &mut PgConnection) -> i64 {
    let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    sqlx::query_scalar(count).fetch_one(connection).await.unwrap()
}

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
    while lock_waiters(&mut observer).await < 2 {
        tokio::task::yield_now().await;
    }
    // Each round trip gives other changes the time to wait for the lock as well.
    for _ in 0..50 {
        assert!(lock_waiters(&mut observer).await <= 2);
    }
    create_roles(&*roles, &other_permit).await;
    lock.rollback().await.unwrap();
    let outcomes: BTreeMap<_, _> = outcomes(tasks).await;
    // 34 changes wait at most.
    assert!(outcomes["TooManyChanges"] >= 16, "{outcomes:?}");
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

#[rstest]
#[tokio::test]
async fn largest_tenant_does_not_block_others(#[future(awt)] test_db: TestDb) {
    let module = module(&test_db);
    let (roles, policies): (Arc<dyn Roles>, Arc<dyn Policies>) = (module.resolve(), module.resolve());
    let (large, other) = (test_db.create_tenant().await, test_db.create_tenant().await);
    insert_expensive_policies(&test_db, &large).await;
    let [large_admin, other_admin] =
        [test_db.create_member(&large, large.admin_role).await, test_db.create_member(&other, other.admin_role).await];
    let manage = Arc::new(test_db.permit::<PolicyManage>(large_admin, large.id).await.unwrap());
    let other_permit = test_db.permit::<RoleManage>(other_admin, other.id).await.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let (policies, manage) = (Arc::clone(&policies), Arc::clone(&manage));
        // Each change applies to every role. The first one succeeds, the others are duplicates.
        let target = PolicyTarget::new(&PERMISSIONS, "user", &["read".to_owned()]).unwrap();
        let draft = PolicyDraft { role: None, effect: Effect::Allow, target, condition: None };
        tasks.spawn(async move { outcome(&policies.create(&manage, &draft).await) });
    }
    create_roles(&*roles, &other_permit).await;
    let outcomes = outcomes(tasks).await;
    assert_eq!((outcomes["Ok"], outcomes.values().sum::<usize>()), (1, 50), "{outcomes:?}");
}
