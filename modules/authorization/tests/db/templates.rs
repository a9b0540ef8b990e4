//! Upgrades of tenants to the current version of the policy templates.

use std::{collections::BTreeSet, sync::Arc};

use authorization_api::{
    BlockedTenant, PolicyTemplates, RoleRead, TenantName, Tenants, TenantsAtVersion, UpgradeReport,
};
use kernel::{TenantId, TenantSlug};
use rstest::rstest;
use shaku::HasComponent;
use sqlx::{Connection, PgConnection};
use test_support::{TestDb, TestTenant, test_db};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::helpers::module;

const CURRENT_VERSION: i32 = 2;

fn templates(db: &TestDb) -> Arc<dyn PolicyTemplates> {
    module(db).resolve()
}

/// Creates tenants at template version 1.
async fn tenants_at_version_1(db: &TestDb, count: usize) -> Vec<TestTenant> {
    let mut tenants = Vec::new();
    for _ in 0..count {
        tenants.push(db.create_tenant().await);
    }
    tenants
}

/// Upgrades all outdated tenants.
async fn upgrade(db: &TestDb) -> UpgradeReport {
    let outdated = templates(db).outdated_tenants().await.unwrap();
    templates(db).upgrade(&outdated).await.unwrap()
}

fn report_of(upgraded: usize) -> UpgradeReport {
    UpgradeReport { upgraded, ..UpgradeReport::default() }
}

/// Returns the rows that an upgrade may change, each as text.
async fn rows(connection: &mut PgConnection) -> BTreeSet<String> {
    let rows = "SELECT 'role ' || r::text FROM roles AS r UNION ALL SELECT 'policy ' || p::text FROM policies AS p
        UNION ALL SELECT 'attributes ' || a::text FROM tenant_attributes AS a
        UNION ALL SELECT 'tenant ' || t::text FROM tenants AS t";
    sqlx::query_scalar::<_, String>(rows).fetch_all(connection).await.unwrap().into_iter().collect()
}

/// Returns the policies of the tenant's roles as text: template version, role, policy, and markers for template policies and
/// system roles.
async fn role_policies(connection: &mut PgConnection, tenant: TenantId) -> Vec<String> {
    let policies =
        "SELECT concat_ws(' ', a.policy_template_version, r.name, p.effect, p.resource, p.verbs, p.condition,
          CASE WHEN p.is_template THEN 'template' END, CASE WHEN r.is_system THEN 'system' END)
        FROM tenant_attributes AS a
        JOIN policies AS p USING (tenant_id)
        JOIN roles AS r ON r.tenant_id = p.tenant_id AND r.id = p.role_id
        WHERE a.tenant_id = $1
        ORDER BY r.name, p.resource";
    sqlx::query_scalar(policies).bind(tenant.as_uuid()).fetch_all(connection).await.unwrap()
}

/// Returns each tenant's version, and the number of its policies that version 2 adds.
async fn versions_and_additions(connection: &mut PgConnection) -> Vec<(i32, i64)> {
    let versions = "SELECT a.policy_template_version, count(p.id)
        FROM tenant_attributes AS a
        LEFT JOIN policies AS p ON p.tenant_id = a.tenant_id AND p.resource = 'role'
        GROUP BY a.tenant_id";
    sqlx::query_as(versions).fetch_all(connection).await.unwrap()
}

async fn versions(db: &TestDb) -> Vec<(i32, i64)> {
    let versions = templates(db).versions().await.unwrap();
    assert_eq!(versions.current, CURRENT_VERSION);
    versions.in_use.iter().map(|TenantsAtVersion { version, tenants }| (*version, *tenants)).collect()
}

#[rstest]
#[tokio::test]
async fn upgraded_tenant_equals_new_tenant(#[future(awt)] test_db: TestDb) {
    let user = test_db.identity(test_db.create_user().await).await.unwrap();
    let tenants: Arc<dyn Tenants> = module(&test_db).resolve();
    let created = tenants.create(&user, &"Initech".parse::<TenantName>().unwrap(), None).await.unwrap().id;
    let [old, archived] = [test_db.create_tenant().await, test_db.create_tenant().await];
    let mut superuser = test_db.superuser().await;
    let archive = sqlx::query("UPDATE tenants SET status = 'archived' WHERE id = $1").bind(archived.id.as_uuid());
    archive.execute(&mut superuser).await.unwrap();
    assert_eq!(versions(&test_db).await, [(1, 2), (CURRENT_VERSION, 1)]);
    assert_eq!(upgrade(&test_db).await, report_of(2));
    assert_eq!(versions(&test_db).await, [(CURRENT_VERSION, 3)]);
    let expected = [
        "2 admin allow * {*} template system",
        "2 member allow role {read} template system",
        "2 member allow user {read} template system",
    ];
    for tenant in [created, old.id, archived.id] {
        assert_eq!(role_policies(&mut superuser, tenant).await, expected);
    }
}

#[rstest]
#[tokio::test]
async fn upgrade_is_additive(#[future(awt)] test_db: TestDb) {
    let tenant = test_db.create_tenant().await;
    test_db.create_role(&tenant, ["user", "read"]).await;
    // A tenant-wide policy, and a custom policy for a system role.
    test_db
        .execute(
            "INSERT INTO policies (tenant_id, id, role_id, effect, resource, verbs, digest)
         SELECT tenant_id, gen_random_uuid(), null, 'deny'::policy_effect, 'billing', '{read}'::text[], sha256('1')
         FROM tenant_attributes
         UNION ALL SELECT tenant_id, gen_random_uuid(), id, 'allow', 'billing', '{read}', sha256('2')
         FROM roles WHERE name = 'member'",
        )
        .await;
    let mut superuser = test_db.superuser().await;
    let before = rows(&mut superuser).await;
    upgrade(&test_db).await;
    let after = rows(&mut superuser).await;
    let kind = |row: &&String| row.split(' ').next().unwrap().to_owned();
    assert_eq!(after.difference(&before).map(|row| kind(&row)).collect::<Vec<_>>(), ["attributes", "policy", "tenant"]);
    // The template version, and the policy version that invalidates caches.
    assert_eq!(before.difference(&after).map(|row| kind(&row)).collect::<Vec<_>>(), ["attributes", "tenant"]);
}

#[rstest]
#[tokio::test]
async fn upgrade_applies_to_next_request(#[future(awt)] test_db: TestDb) {
    let tenant = test_db.create_tenant().await;
    let user = test_db.create_member(&tenant, tenant.member_role).await;
    assert!(test_db.permit::<RoleRead>(user, &tenant.slug).await.is_err());
    upgrade(&test_db).await;
    assert!(test_db.permit::<RoleRead>(user, &tenant.slug).await.is_ok());
}

#[rstest]
#[tokio::test]
async fn upgrade_is_idempotent(#[future(awt)] test_db: TestDb) {
    let tenants: Vec<TenantId> = tenants_at_version_1(&test_db, 3).await.iter().map(|tenant| tenant.id).collect();
    assert_eq!(upgrade(&test_db).await, report_of(3));
    let mut superuser = test_db.superuser().await;
    let once = rows(&mut superuser).await;
    assert_eq!(templates(&test_db).outdated_tenants().await.unwrap(), []);
    let again = templates(&test_db).upgrade(&tenants).await.unwrap();
    assert_eq!(again, UpgradeReport { up_to_date: 3, ..UpgradeReport::default() });
    assert_eq!(rows(&mut superuser).await, once);
}

#[rstest]
#[tokio::test]
async fn dry_run_reports_without_changes(#[future(awt)] test_db: TestDb) {
    tenants_at_version_1(&test_db, 3).await;
    test_db.execute("UPDATE roles SET is_system = false WHERE ctid = (SELECT min(ctid) FROM roles)").await;
    let mut superuser = test_db.superuser().await;
    let before = rows(&mut superuser).await;
    let outdated = templates(&test_db).outdated_tenants().await.unwrap();
    let planned = templates(&test_db).plan(&outdated).await.unwrap();
    assert_eq!(rows(&mut superuser).await, before);
    assert_eq!((planned.upgraded, planned.blocked.len()), (2, 1));
    assert_eq!(upgrade(&test_db).await, planned);
}

#[rstest]
#[tokio::test]
async fn concurrent_upgrades_apply_once(#[future(awt)] test_db: TestDb) {
    let ids: Vec<TenantId> = tenants_at_version_1(&test_db, 40).await.iter().map(|tenant| tenant.id).collect();
    let before = policy_versions(&test_db).await;
    let mut runs = JoinSet::new();
    for run in 0..8 {
        let (templates, ids) = (templates(&test_db), ids.clone());
        runs.spawn(async move {
            let (mut total, mut pending) = (0, ids);
            while !pending.is_empty() {
                let mut skipped = Vec::new();
                for tenants in pending.chunks(3 + run) {
                    let done = templates.upgrade(tenants).await.unwrap();
                    assert_eq!(done.upgraded + done.up_to_date + done.skipped.len(), tenants.len());
                    total += done.upgraded;
                    skipped.extend(done.skipped);
                }
                pending = skipped;
            }
            total
        });
    }
    assert_eq!(runs.join_all().await.into_iter().sum::<usize>(), 40);
    assert_eq!(versions_and_additions(&mut test_db.superuser().await).await, [(CURRENT_VERSION, 1); 40]);
    assert!(policy_versions(&test_db).await.is_disjoint(&before));
}

async fn policy_versions(db: &TestDb) -> BTreeSet<Uuid> {
    let versions = sqlx::query_scalar("SELECT policy_version FROM tenants").fetch_all(&mut db.superuser().await).await;
    versions.unwrap().into_iter().collect()
}

/// Simulates a killed process by dropping the future after any number of polls.
#[rstest]
#[tokio::test]
async fn interrupted_upgrade_is_atomic_and_resumable(#[future(awt)] test_db: TestDb) {
    let ids: Vec<TenantId> = tenants_at_version_1(&test_db, 12).await.iter().map(|tenant| tenant.id).collect();
    let mut superuser = test_db.superuser().await;
    let mut interruptions = 0;
    for polls in 0.. {
        let templates = templates(&test_db);
        let upgrade_all = async {
            for tenants in ids.chunks(5) {
                // The transaction of the last interruption may not be rolled back yet.
                while !templates.upgrade(tenants).await.unwrap().skipped.is_empty() {}
            }
        };
        let completed = poll_at_most(polls, upgrade_all).await;
        let now = versions_and_additions(&mut superuser).await;
        assert!(now.iter().all(|at| [(1, 0), (CURRENT_VERSION, 1)].contains(at)), "after {polls} polls: {now:?}");
        if completed {
            assert_eq!(now, [(CURRENT_VERSION, 1); 12]);
            break;
        }
        interruptions += 1;
    }
    // Even one batch takes more than 4 polls, so the test also interrupts batches.
    assert!(interruptions > 4, "only {interruptions} interruptions");
}

/// Polls the future at most `polls` times and then drops it. Returns whether it completed.
async fn poll_at_most(polls: usize, future: impl Future<Output = ()>) -> bool {
    let mut future = std::pin::pin!(future);
    let mut remaining = polls;
    std::future::poll_fn(|cx| {
        if remaining == 0 {
            return std::task::Poll::Ready(false);
        }
        remaining -= 1;
        future.as_mut().poll(cx).map(|()| true)
    })
    .await
}

#[rstest]
#[tokio::test]
async fn locked_tenant_is_skipped(#[future(awt)] test_db: TestDb) {
    let tenants = tenants_at_version_1(&test_db, 3).await;
    let id = tenants[1].id;
    let mut lock_holder = test_db.superuser().await;
    let mut transaction = lock_holder.begin().await.unwrap();
    let lock = "SELECT FROM tenants WHERE id = $1 FOR NO KEY UPDATE";
    sqlx::query(lock).bind(id.as_uuid()).execute(&mut *transaction).await.unwrap();
    assert_eq!(upgrade(&test_db).await, UpgradeReport { upgraded: 2, skipped: vec![id], ..UpgradeReport::default() });
    sqlx::query("UPDATE roles SET is_system = false WHERE tenant_id = $1 AND name = 'member'")
        .bind(id.as_uuid())
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    // The upgrade sees what the other transaction has committed.
    let slug: TenantSlug = tenants[1].slug.parse().unwrap();
    let blocked = vec![BlockedTenant { slug, role: "member" }];
    assert_eq!(upgrade(&test_db).await, UpgradeReport { blocked, ..UpgradeReport::default() });
}

#[rstest]
#[tokio::test]
async fn newer_tenant_is_unchanged(#[future(awt)] test_db: TestDb) {
    let tenants = tenants_at_version_1(&test_db, 2).await;
    let newer = CURRENT_VERSION + 1;
    test_db.execute(&format!("UPDATE tenant_attributes SET policy_template_version = {newer}")).await;
    let mut superuser = test_db.superuser().await;
    let before = rows(&mut superuser).await;
    assert_eq!(templates(&test_db).outdated_tenants().await.unwrap(), []);
    let ids: Vec<TenantId> = tenants.iter().map(|tenant| tenant.id).collect();
    let report = templates(&test_db).upgrade(&ids).await.unwrap();
    assert_eq!(report, UpgradeReport { up_to_date: 2, ..UpgradeReport::default() });
    assert_eq!(rows(&mut superuser).await, before);
    let versions = templates(&test_db).versions().await.unwrap();
    assert_eq!((versions.outdated_count(), versions.newer_count()), (0, 2));
}

#[rstest]
#[tokio::test]
async fn role_conflict_blocks_only_its_tenant(#[future(awt)] test_db: TestDb) {
    let tenants = tenants_at_version_1(&test_db, 3).await;
    let make_custom = "UPDATE roles SET is_system = false, name = 'Member' WHERE tenant_id = $1 AND name = 'member'";
    let mut superuser = test_db.superuser().await;
    sqlx::query(make_custom).bind(tenants[1].id.as_uuid()).execute(&mut superuser).await.unwrap();
    let before = role_policies(&mut superuser, tenants[1].id).await;
    let blocked = vec![BlockedTenant { slug: tenants[1].slug.parse().unwrap(), role: "member" }];
    assert_eq!(upgrade(&test_db).await, UpgradeReport { upgraded: 2, blocked, ..UpgradeReport::default() });
    assert_eq!(role_policies(&mut superuser, tenants[1].id).await, before);

    // After the role is renamed, the upgrade adds the system role.
    test_db.execute("UPDATE roles SET name = 'Staff', name_key = 'staff' WHERE name = 'Member'").await;
    assert_eq!(upgrade(&test_db).await, report_of(1));
    let expected = [
        "2 Staff allow user {read} template",
        "2 admin allow * {*} template system",
        "2 member allow role {read} template system",
        "2 member allow user {read} template system",
    ];
    let mut actual = role_policies(&mut superuser, tenants[1].id).await;
    actual.sort();
    assert_eq!(actual, expected);
}

#[rstest]
#[tokio::test]
async fn identical_custom_policy_is_not_duplicated(#[future(awt)] test_db: TestDb) {
    let tenant = test_db.create_tenant().await;
    // The digest of the policy's canonical form.
    test_db
        .execute(
            r#"INSERT INTO policies (tenant_id, id, role_id, effect, resource, verbs, digest)
           SELECT tenant_id, gen_random_uuid(), id, 'allow', 'role', '{read}', sha256(convert_to(
             '{"role_id":"' || id || '","effect":"allow","resource":"role","verbs":["read"],"condition":null}', 'UTF8'))
           FROM roles WHERE name = 'member'"#,
        )
        .await;
    assert_eq!(upgrade(&test_db).await, report_of(1));
    let expected = [
        "2 admin allow * {*} template system",
        "2 member allow role {read} system",
        "2 member allow user {read} template system",
    ];
    assert_eq!(role_policies(&mut test_db.superuser().await, tenant.id).await, expected);
}
