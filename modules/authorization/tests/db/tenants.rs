//! Creating, updating, archiving and restoring tenants.

use std::{collections::BTreeMap, sync::Arc};

use authorization_api::{
    OperatorTenants, Tenant, TenantArchive, TenantChange, TenantRead, TenantStatus, TenantUpdate, Tenants,
    TenantsError, UserRead,
};
use kernel::{RestoreError, ScopeError, TenancyMode, TenantId, TenantSlug, UserId};
use rstest::rstest;
use shaku::HasComponent;
use sqlx::Connection;
use test_support::{SeededDb, TestDb, seeded, test_db, wait_for_lock_waiters};
use tokio::task::JoinSet;

use crate::helpers::{counted, module, module_in_mode, outcome, outcomes};

fn tenants(db: &TestDb) -> Arc<dyn Tenants> {
    module(db).resolve()
}

async fn create_tenant_as(db: &TestDb, user: UserId, name: &str, slug: Option<&str>) -> Result<Tenant, TenantsError> {
    let identity = db.identity(user).await.unwrap();
    let slug: Option<TenantSlug> = slug.map(|slug| slug.parse().unwrap());
    tenants(db).create(&identity, &name.parse().unwrap(), slug.as_ref()).await
}

/// Returns the number of rows of each table that creating a tenant writes.
async fn counts(db: &TestDb) -> BTreeMap<String, i64> {
    let counts = "SELECT 'tenants', count(*) FROM tenants UNION ALL
        SELECT 'roles', count(*) FROM roles UNION ALL SELECT 'policies', count(*) FROM policies UNION ALL
        SELECT 'memberships', count(*) FROM memberships UNION ALL
        SELECT 'tenant_attributes', count(*) FROM tenant_attributes";
    sqlx::query_as(counts).fetch_all(&mut db.superuser().await).await.unwrap().into_iter().collect()
}

#[rstest]
#[tokio::test]
async fn creator_is_only_member_and_admin(#[future(awt)] test_db: TestDb) {
    let user = test_db.create_user().await;
    let tenant = create_tenant_as(&test_db, user, "Initech LLC", None).await.unwrap();
    assert_eq!((tenant.slug.as_str(), tenant.name.as_str()), ("initech-llc", "Initech LLC"));
    assert_eq!((tenant.status, tenant.plan.as_str(), tenant.seat_limit), (TenantStatus::Active, "free", 5));
    assert_eq!(tenant.features, Vec::<String>::new());
    // The creator has the admin's permissions.
    let permit = test_db.permit::<TenantRead>(user, &tenant.slug).await.unwrap();
    assert_eq!(tenants(&test_db).get(&permit).await.unwrap(), tenant);
    assert!(test_db.permit::<TenantArchive>(user, tenant.id).await.is_ok());
    let expected = [("tenants", 1), ("roles", 2), ("policies", 3), ("memberships", 1), ("tenant_attributes", 1)];
    assert_eq!(counts(&test_db).await, expected.map(|(table, count)| (table.to_owned(), count)).into());
    let roles: Vec<(String, bool, i32)> = sqlx::query_as(
        "SELECT r.name, r.is_system, a.policy_template_version
         FROM roles AS r JOIN tenant_attributes AS a USING (tenant_id) ORDER BY r.name",
    )
    .fetch_all(&mut test_db.superuser().await)
    .await
    .unwrap();
    assert_eq!(roles, [("admin".into(), true, 2), ("member".into(), true, 2)]);
}

#[rstest]
#[tokio::test]
async fn member_role_lacks_tenant_permissions(#[future(awt)] seeded: SeededDb) {
    let bob = seeded.seed.users.bob.id;
    assert!(seeded.permit::<UserRead>(bob, "acme").await.is_ok());
    assert!(seeded.permit::<TenantRead>(bob, "acme").await.is_err());
    assert!(seeded.permit::<TenantUpdate>(bob, "acme").await.is_err());
    assert!(seeded.permit::<TenantArchive>(bob, "acme").await.is_err());
}

#[rstest]
#[tokio::test]
async fn taken_slug_gets_suffix(#[future(awt)] seeded: SeededDb) {
    let alice = seeded.seed.users.alice.id;
    let (one, two) = (
        create_tenant_as(&seeded, alice, "ACME", None).await.unwrap(),
        create_tenant_as(&seeded, alice, "Acme!", None).await.unwrap(),
    );
    assert!(one.slug.as_str().starts_with("acme-") && two.slug.as_str().starts_with("acme-"), "{one:?} {two:?}");
    assert_ne!(one.slug, two.slug);
}

#[rstest]
#[tokio::test]
async fn duplicate_slug_rolls_back(#[future(awt)] seeded: SeededDb) {
    seeded.execute("UPDATE tenants SET status = 'archived' WHERE slug = 'globex'").await;
    let before = counts(&seeded).await;
    for slug in ["acme", "globex"] {
        let result = create_tenant_as(&seeded, seeded.seed.users.bob.id, "Another", Some(slug)).await;
        assert_eq!(outcome(&result), "SlugTaken", "{slug}");
    }
    assert_eq!(counts(&seeded).await, before);
}

/// The type `TenantSlug` and the CHECK constraint accept and reject the same slugs.
#[rstest]
#[tokio::test]
async fn slug_type_matches_check_constraint(#[future(awt)] test_db: TestDb) {
    let mut superuser = test_db.superuser().await;
    let longest = "a".repeat(63);
    let slugs = [
        "abc",
        "a-b",
        "123",
        "019a0000-0000-7000-8000-00000000acee",
        "019a00000000-70008000-00000000acee",
        "019a0000000070008000-00000000acee",
        "0-19a0000000070008000000000000cee",
        "019a0000-0000-7000-8000-00000000ace",
        "019a0000-0000-7000-8000-00000000acee1",
        "ab",
        "a--b",
        // Look like acme: with a zero-width space, in Cyrillic, and with a line break at the end.
        "ac\u{200b}me",
        "\u{430}cme",
        "acme\n",
        longest.as_str(),
    ];
    for slug in TenantSlug::RESERVED.into_iter().chain(slugs) {
        let insert = sqlx::query("INSERT INTO tenants (id, slug, name) VALUES (gen_random_uuid(), $1, 'X')");
        let accepted = insert.bind(slug).execute(&mut superuser).await.is_ok();
        assert_eq!(slug.parse::<TenantSlug>().is_ok(), accepted, "{slug}");
    }
}

#[rstest]
#[tokio::test]
async fn concurrent_same_slug_creates_one_tenant(#[future(awt)] test_db: TestDb) {
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let (tenants, user) = (tenants(&test_db), test_db.identity(test_db.create_user().await).await.unwrap());
        tasks.spawn(async move {
            let slug = "initech".parse().unwrap();
            outcome(&tenants.create(&user, &"Initech".parse().unwrap(), Some(&slug)).await)
        });
    }
    assert_eq!(
        outcomes(tasks).await,
        counted([("Ok", 1), ("SlugTaken", 49)]),
        "a slug is unique: keep its unique index"
    );
    let expected = [("tenants", 1), ("roles", 2), ("policies", 3), ("memberships", 1), ("tenant_attributes", 1)];
    assert_eq!(counts(&test_db).await, expected.map(|(table, count)| (table.to_owned(), count)).into());
}

#[rstest]
#[tokio::test]
async fn concurrent_same_name_creates_distinct_slugs(#[future(awt)] test_db: TestDb) {
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let (tenants, user) = (tenants(&test_db), test_db.identity(test_db.create_user().await).await.unwrap());
        tasks.spawn(async move { outcome(&tenants.create(&user, &"Initech".parse().unwrap(), None).await) });
    }
    assert_eq!(outcomes(tasks).await, counted([("Ok", 20)]));
}

#[rstest]
#[tokio::test]
async fn concurrent_creation_respects_tenant_limit(#[future(awt)] test_db: TestDb) {
    let (user, other) = (test_db.create_user().await, test_db.create_user().await);
    let mut tasks = JoinSet::new();
    for _ in 0..30 {
        let (tenants, user) = (tenants(&test_db), test_db.identity(user).await.unwrap());
        tasks.spawn(async move { outcome(&tenants.create(&user, &"Mine".parse().unwrap(), None).await) });
    }
    assert_eq!(outcomes(tasks).await, counted([("Ok", 20), ("LimitReached", 10)]));
    // Archived tenants count, and the limit is per user.
    test_db.execute("UPDATE tenants SET status = 'archived'").await;
    assert_eq!(outcome(&create_tenant_as(&test_db, user, "One more", None).await), "LimitReached");
    assert_eq!(outcome(&create_tenant_as(&test_db, other, "First", None).await), "Ok");
}

#[rstest]
#[tokio::test]
async fn operator_created_tenants_are_not_counted(#[future(awt)] test_db: TestDb) {
    let (user, other) = (test_db.create_user().await, test_db.create_user().await);
    let operator_tenants: Arc<dyn OperatorTenants> = module(&test_db).resolve();
    for number in 0..20 {
        // Those that the operator creates don't count.
        let slug = format!("operated-{number}").parse().unwrap();
        operator_tenants.create_for(user, &"Operated".parse().unwrap(), &slug).await.unwrap();
        assert_eq!(outcome(&create_tenant_as(&test_db, user, "Mine", None).await), "Ok", "{number}");
    }
    operator_tenants.create_for(user, &"Operated".parse().unwrap(), &"one-more".parse().unwrap()).await.unwrap();
    for sql in [
        "SELECT",
        // The creator has a custom role.
        "INSERT INTO roles (tenant_id, id, name, name_key) SELECT id, gen_random_uuid(), 'owner', 'owner' FROM tenants;
         UPDATE memberships AS m SET role_id = r.id
         FROM roles AS r WHERE r.tenant_id = m.tenant_id AND r.name = 'owner'",
        "DELETE FROM memberships",
    ] {
        test_db.execute(sql).await;
        assert_eq!(outcome(&create_tenant_as(&test_db, user, "Mine", None).await), "LimitReached", "{sql}");
    }
    // Tenants of which the user is only an admin don't count.
    let admin_of_all = "INSERT INTO memberships (tenant_id, user_id, role_id)
        SELECT r.tenant_id, u.id, r.id FROM roles AS r, users AS u WHERE r.name = 'admin'";
    test_db.execute(&format!("{admin_of_all} AND u.id = '{other}'")).await;
    assert_eq!(outcome(&create_tenant_as(&test_db, other, "Mine", None).await), "Ok");
}

#[rstest]
#[tokio::test]
async fn update_keeps_omitted_fields(#[future(awt)] seeded: SeededDb) {
    let alice = seeded.seed.users.alice.id;
    let read = async |tenant: &str| {
        let permit = seeded.permit::<TenantRead>(alice, tenant).await.unwrap();
        tenants(&seeded).get(&permit).await.unwrap()
    };
    let (acme, globex) = (read("acme").await, read("globex").await);
    let change = |name: Option<&str>, slug: Option<&str>| TenantChange {
        name: name.map(|name| name.parse().unwrap()),
        slug: slug.map(|slug| slug.parse().unwrap()),
    };
    let mut expected = acme;
    for (name, slug) in [(Some("Acme & Sons"), None), (None, Some("acme-sons")), (Some("Acme"), Some("acme"))] {
        let permit = seeded.permit::<TenantUpdate>(alice, &expected.slug).await.unwrap();
        let changed = tenants(&seeded).update(&permit, &change(name, slug)).await.unwrap();
        expected.name = name.map_or(expected.name, |name| name.parse().unwrap());
        expected.slug = slug.map_or(expected.slug, |slug| slug.parse().unwrap());
        assert_eq!(changed, expected);
        assert_eq!(read(expected.slug.as_str()).await, expected);
    }
    let permit = seeded.permit::<TenantUpdate>(alice, "acme").await.unwrap();
    let taken = tenants(&seeded).update(&permit, &change(Some("Other Name"), Some("globex"))).await;
    assert_eq!(outcome(&taken), "SlugTaken");
    assert_eq!((read("acme").await, read("globex").await), (expected, globex));
    let updated: Vec<bool> = sqlx::query_scalar("SELECT updated_at > created_at FROM tenants ORDER BY slug")
        .fetch_all(&mut seeded.superuser().await)
        .await
        .unwrap();
    assert_eq!(updated, [true, false]);
}

async fn change_slug(db: &TestDb, user: UserId, tenant: TenantId, slug: &str) -> String {
    let permit = db.permit::<TenantUpdate>(user, tenant).await.unwrap();
    outcome(&tenants(db).update(&permit, &TenantChange { name: None, slug: Some(slug.parse().unwrap()) }).await)
}

#[rstest]
#[tokio::test]
async fn released_slug_is_reserved(#[future(awt)] seeded: SeededDb) {
    let (alice, bob) = (seeded.seed.users.alice.id, seeded.seed.users.bob.id);
    let (acme, globex) = (seeded.seed.tenants.acme.id, seeded.seed.tenants.globex.id);
    assert_eq!(change_slug(&seeded, alice, acme, "acme-new").await, "Ok");
    assert_eq!(change_slug(&seeded, alice, globex, "acme").await, "SlugTaken");
    assert_eq!(outcome(&create_tenant_as(&seeded, bob, "Another", Some("acme")).await), "SlugTaken");
    assert!(create_tenant_as(&seeded, bob, "Acme", None).await.unwrap().slug.as_str().starts_with("acme-"));
    // The tenant that released it can reclaim it.
    assert_eq!(change_slug(&seeded, alice, acme, "acme").await, "Ok");
    assert_eq!(change_slug(&seeded, alice, acme, "acme-new").await, "Ok");
    for (age, expected) in [("89 days", "SlugTaken"), ("91 days", "Ok")] {
        seeded.execute(&format!("UPDATE released_slugs SET released_at = now() - interval '{age}'")).await;
        assert_eq!(change_slug(&seeded, alice, globex, "acme").await, expected, "{age}");
    }
    assert_eq!(change_slug(&seeded, alice, acme, "acme").await, "SlugTaken");
    assert_eq!(change_slug(&seeded, alice, acme, "globex").await, "SlugTaken");
    let scope = seeded.scope(alice, acme).await.unwrap();
    let mut tx = seeded.db.database().begin(&scope).await.unwrap();
    let error = sqlx::query("SELECT FROM released_slugs").execute(tx.conn()).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501");
}

#[rstest]
#[tokio::test]
async fn concurrently_released_slug_is_reserved(#[future(awt)] seeded: SeededDb) {
    let (alice, bob) = (seeded.seed.users.alice.id, seeded.identity(seeded.seed.users.bob.id).await.unwrap());
    let globex = seeded.permit::<TenantUpdate>(alice, "globex").await.unwrap();
    let slug: TenantSlug = "acme".parse().unwrap();
    let mut superuser = seeded.superuser().await;
    let mut change = superuser.begin().await.unwrap();
    sqlx::query("UPDATE tenants SET slug = 'acme-new' WHERE slug = 'acme'").execute(&mut *change).await.unwrap();
    let (mut tasks, one, other) = (JoinSet::new(), tenants(&seeded), tenants(&seeded));
    let taken = slug.clone();
    tasks.spawn(async move { outcome(&one.create(&bob, &"Another".parse().unwrap(), Some(&taken)).await) });
    let update = TenantChange { name: None, slug: Some(slug) };
    tasks.spawn(async move { outcome(&other.update(&globex, &update).await) });
    wait_for_lock_waiters(&seeded, 2).await;
    change.commit().await.unwrap();
    assert_eq!(outcomes(tasks).await, counted([("SlugTaken", 2)]));
}

#[rstest]
#[tokio::test]
async fn slug_changes_are_limited(#[future(awt)] seeded: SeededDb) {
    let (alice, acme) = (seeded.seed.users.alice.id, seeded.seed.tenants.acme.id);
    for number in 1..=10 {
        assert_eq!(change_slug(&seeded, alice, acme, &format!("acme-{number}")).await, "Ok", "{number}");
    }
    assert_eq!(change_slug(&seeded, alice, acme, "acme-11").await, "TooManySlugChanges");
    // Reclaiming a slug releases the current one, so the number of released slugs stays the same.
    assert_eq!(change_slug(&seeded, alice, acme, "acme").await, "Ok");
    assert_eq!(change_slug(&seeded, alice, acme, "acme-11").await, "TooManySlugChanges");
    seeded.execute("UPDATE released_slugs SET released_at = now() - interval '91 days' WHERE slug = 'acme-5'").await;
    assert_eq!(change_slug(&seeded, alice, acme, "acme-11").await, "Ok");
}

#[rstest]
#[tokio::test]
async fn archived_tenant_only_allows_restore(#[future(awt)] seeded: SeededDb) {
    let (alice, bob) = (seeded.seed.users.alice.id, seeded.seed.users.bob.id);
    let (archive, update) = (
        seeded.permit::<TenantArchive>(alice, "acme").await.unwrap(),
        seeded.permit::<TenantUpdate>(alice, "acme").await.unwrap(),
    );
    let denied = seeded.restore_permit(bob, "acme").await.unwrap_err();
    assert!(matches!(denied, RestoreError::Denied(_)), "{denied:?}");
    tenants(&seeded).archive(&archive).await.unwrap();
    assert_eq!(outcome(&tenants(&seeded).archive(&archive).await), "NoLongerMember");

    // No member gets a scope, and permits from before have no effect.
    for user in [alice, bob] {
        assert!(matches!(seeded.scope(user, "acme").await, Err(ScopeError::NotFound)));
    }
    let change = TenantChange { name: Some("Late".parse().unwrap()), slug: None };
    assert_eq!(outcome(&tenants(&seeded).update(&update, &change).await), "NoLongerMember");
    assert!(matches!(seeded.restore_permit(bob, "acme").await, Err(RestoreError::NotFound)));
    let non_member = seeded.create_user().await;
    for (user, tenant) in [(non_member, "acme"), (bob, "globex"), (alice, "nowhere")] {
        assert!(matches!(seeded.restore_scope(user, tenant).await, Err(ScopeError::NotFound)), "{tenant}");
    }
    assert!(matches!(seeded.restore_scope(UserId::new(), "acme").await, Err(ScopeError::Identity(_))));

    let restore = seeded.restore_permit(alice, "acme").await.unwrap();
    tenants(&seeded).restore(&restore).await.unwrap();
    tenants(&seeded).restore(&restore).await.unwrap();
    for user in [alice, bob] {
        assert!(seeded.permit::<UserRead>(user, "acme").await.is_ok());
    }
}

#[rstest]
#[tokio::test]
async fn archive_deny_also_denies_restore(#[future(awt)] seeded: SeededDb) {
    let deny_and_archive = "INSERT INTO policies (tenant_id, id, effect, resource, verbs, digest)
        SELECT id, gen_random_uuid(), 'deny', 'tenant', '{archive}', sha256('1') FROM tenants WHERE slug = 'acme';
        UPDATE tenants SET status = 'archived' WHERE slug = 'acme'";
    seeded.execute(deny_and_archive).await;
    let result = seeded.restore_permit(seeded.seed.users.alice.id, "acme").await;
    assert!(matches!(result, Err(RestoreError::NotFound)));
}

#[rstest]
#[tokio::test]
async fn archive_and_restore_are_serializable(#[future(awt)] seeded: SeededDb) {
    let alice = seeded.seed.users.alice.id;
    for _ in 0..5 {
        // All permits are obtained before the first change.
        let (mut permits, mut tasks) = (Vec::new(), JoinSet::new());
        for _ in 0..10 {
            let archive = seeded.permit::<TenantArchive>(alice, "acme").await.unwrap();
            let restore = seeded.restore_permit(alice, "acme").await.unwrap();
            permits.push((archive, restore));
        }
        for (archive, restore) in permits {
            let (one, other) = (tenants(&seeded), tenants(&seeded));
            tasks.spawn(async move { outcome(&one.archive(&archive).await) });
            tasks.spawn(async move { format!("restored: {}", outcome(&other.restore(&restore).await)) });
        }
        let outcomes = outcomes(tasks).await;
        // Archiving an archived tenant is rejected.
        let archived = outcomes.get("Ok").copied().unwrap_or_default();
        let rejected = outcomes.get("NoLongerMember").copied().unwrap_or_default();
        assert_eq!((outcomes["restored: Ok"], archived + rejected), (10, 10), "{outcomes:?}");
        assert!(archived >= 1, "{outcomes:?}");
        let status: String = sqlx::query_scalar("SELECT status::text FROM tenants WHERE slug = 'acme'")
            .fetch_one(&mut seeded.superuser().await)
            .await
            .unwrap();
        assert_eq!(seeded.scope(alice, "acme").await.is_ok(), status == "active", "{status}");
        // Restoring works in both states.
        let restore = seeded.restore_permit(alice, "acme").await.unwrap();
        tenants(&seeded).restore(&restore).await.unwrap();
        assert!(seeded.scope(alice, "acme").await.is_ok());
    }
}

/// Each change waits for the tenant's lock. Meanwhile, its caller is removed or loses the permission.
#[rstest]
#[case::removed("DELETE FROM memberships WHERE user_id = $1 AND tenant_id = $2", "NoLongerMember", "NoLongerMember")]
#[case::demoted(
    "UPDATE memberships SET role_id = (SELECT id FROM roles WHERE tenant_id = $2 AND name = 'member')
     WHERE user_id = $1 AND tenant_id = $2",
    "Denied",
    "NoLongerMember"
)]
#[tokio::test]
async fn tenant_change_reauthorizes_after_lock(
    #[future(awt)] seeded: SeededDb,
    #[case] revocation_sql: &'static str,
    #[case] expected: &str,
    #[case] expected_if_archived: &str,
) {
    let (alice, acme) = (seeded.seed.users.alice.id, seeded.seed.tenants.acme.id);
    let read_name_and_status = async || -> (String, String) {
        let row = sqlx::query_as("SELECT name, status::text FROM tenants WHERE id = $1").bind(acme.as_uuid());
        row.fetch_one(&mut seeded.superuser().await).await.unwrap()
    };
    for status in ["active", "archived"] {
        seeded.execute(&format!("UPDATE tenants SET status = '{status}' WHERE slug = 'acme'")).await;
        let mut superuser = seeded.superuser().await;
        let mut lock = superuser.begin().await.unwrap();
        for sql in ["SELECT id FROM tenants WHERE id = $2 AND $1::uuid IS NOT NULL FOR UPDATE", revocation_sql] {
            sqlx::query(sql).bind(alice.as_uuid()).bind(acme.as_uuid()).execute(&mut *lock).await.unwrap();
        }
        let mut tasks = JoinSet::new();
        if status == "active" {
            let (one, other) = (tenants(&seeded), tenants(&seeded));
            let update = seeded.permit::<TenantUpdate>(alice, acme).await.unwrap();
            let archive = seeded.permit::<TenantArchive>(alice, acme).await.unwrap();
            tasks.spawn(async move {
                let change = TenantChange { name: Some("Renamed".parse().unwrap()), slug: None };
                outcome(&one.update(&update, &change).await)
            });
            tasks.spawn(async move { outcome(&other.archive(&archive).await) });
        } else {
            let (tenants, restore) = (tenants(&seeded), seeded.restore_permit(alice, acme).await.unwrap());
            tasks.spawn(async move { outcome(&tenants.restore(&restore).await) });
        }
        let before = read_name_and_status().await;
        wait_for_lock_waiters(&seeded, tasks.len() as i64).await;
        lock.commit().await.unwrap();
        let (expected, count) = if status == "active" { (expected, 2) } else { (expected_if_archived, 1) };
        assert_eq!(outcomes(tasks).await, counted([(expected, count)]), "{status}");
        assert_eq!(read_name_and_status().await, before, "{status}");
        let rejoin = "INSERT INTO memberships (tenant_id, user_id, role_id)
             SELECT tenant_id, $1, id FROM roles WHERE tenant_id = $2 AND name = 'admin'
             ON CONFLICT (tenant_id, user_id) DO UPDATE SET role_id = excluded.role_id";
        let rejoin = sqlx::query(rejoin).bind(alice.as_uuid()).bind(acme.as_uuid());
        rejoin.execute(&mut seeded.superuser().await).await.unwrap();
    }
}

/// The application role's grants on tenants and tenant attributes.
#[rstest]
#[tokio::test]
async fn tenant_tx_writes_only_granted_columns(#[future(awt)] seeded: SeededDb) {
    let scope = seeded.scope(seeded.seed.users.alice.id, "acme").await.unwrap();
    for (sql, allowed) in [
        ("UPDATE tenants SET name = 'X', updated_at = now()", true),
        ("UPDATE tenants SET created_at = now()", false),
        ("UPDATE tenants SET created_by = NULL", false),
        ("UPDATE tenants SET id = id", false),
        ("UPDATE tenant_attributes SET plan = 'enterprise'", false),
    ] {
        let mut tx = seeded.db.database().begin(&scope).await.unwrap();
        match sqlx::query(sql).execute(tx.conn()).await {
            Ok(done) => assert_eq!((allowed, done.rows_affected()), (true, 1), "{sql}"),
            Err(error) => {
                assert!(!allowed, "{sql}: {error}");
                assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{sql}");
            }
        }
    }
}

fn single_mode() -> TenancyMode {
    TenancyMode::Single("initech".parse().unwrap())
}

#[rstest]
#[tokio::test]
async fn concurrent_personal_tenant_creation_creates_one(#[future(awt)] seeded: SeededDb) {
    let alice = seeded.identity(seeded.seed.users.alice.id).await.unwrap();
    let mut tasks = JoinSet::new();
    for number in 0..50 {
        let (tenants, alice): (Arc<dyn Tenants>, _) =
            (module_in_mode(&seeded, TenancyMode::Personal).resolve(), alice.clone());
        tasks.spawn(async move {
            // With a unique slug, with a shared slug, and without a slug.
            let slug = match number % 3 {
                0 => Some(format!("alice-{number}").parse().unwrap()),
                1 => Some("alices".parse().unwrap()),
                _ => None,
            };
            outcome(&tenants.create(&alice, &"Alice".parse().unwrap(), slug.as_ref()).await)
        });
    }
    assert_eq!(
        outcomes(tasks).await,
        counted([("Ok", 1), ("PersonalTenantExists", 49)]),
        "a user has one personal tenant: keep its unique index"
    );
    let personal_tenants: Vec<(UserId, i64)> = sqlx::query_as(
        "SELECT t.personal_user_id, count(*) FROM tenants AS t JOIN memberships AS m ON m.tenant_id = t.id
         WHERE t.personal_user_id IS NOT NULL GROUP BY t.id",
    )
    .fetch_all(&mut seeded.superuser().await)
    .await
    .unwrap();
    assert_eq!(personal_tenants, [(alice.user(), 1)]);
}

#[rstest]
#[tokio::test]
async fn schema_enforces_one_personal_tenant(#[future(awt)] seeded: SeededDb) {
    let alice = seeded.identity(seeded.seed.users.alice.id).await.unwrap();
    let tenants: Arc<dyn Tenants> = module_in_mode(&seeded, TenancyMode::Personal).resolve();
    assert_eq!(outcome(&tenants.create(&alice, &"Alice".parse().unwrap(), None).await), "Ok");
    let second = "UPDATE tenants SET personal_user_id = (SELECT id FROM users WHERE email = 'alice@example.com')
                  WHERE slug = 'acme'";
    let error = sqlx::query(second).execute(&mut seeded.superuser().await).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().constraint(), Some("tenants_personal_user_id_key"));
}

#[rstest]
#[tokio::test]
async fn tenant_tx_cannot_set_personal_owner(#[future(awt)] seeded: SeededDb) {
    let scope = seeded.scope(seeded.seed.users.alice.id, "acme").await.unwrap();
    let mut tx = seeded.db.database().begin(&scope).await.unwrap();
    let update = sqlx::query("UPDATE tenants SET personal_user_id = $1").bind(seeded.seed.users.alice.id);
    let error = update.execute(tx.conn()).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501");
}

#[rstest]
#[tokio::test]
async fn tenant_limit_ignores_personal_tenant(#[future(awt)] test_db: TestDb) {
    let user = test_db.create_user().await;
    for _ in 0..20 {
        assert_eq!(outcome(&create_tenant_as(&test_db, user, "Mine", None).await), "Ok");
    }
    let identity = test_db.identity(user).await.unwrap();
    let tenants: Arc<dyn Tenants> = module_in_mode(&test_db, TenancyMode::Personal).resolve();
    assert_eq!(outcome(&tenants.create(&identity, &"Mine".parse().unwrap(), None).await), "Ok");
    assert_eq!(outcome(&tenants.create(&identity, &"Mine".parse().unwrap(), None).await), "PersonalTenantExists");
}

#[rstest]
#[tokio::test]
async fn only_operator_creates_single_tenant(#[future(awt)] test_db: TestDb) {
    let user = test_db.create_user().await;
    let module = module_in_mode(&test_db, single_mode());
    let (tenants, operator_tenants): (Arc<dyn Tenants>, Arc<dyn OperatorTenants>) =
        (module.resolve(), module.resolve());
    let (identity, name) = (test_db.identity(user).await.unwrap(), "Initech".parse().unwrap());
    let (initech, other) = ("initech".parse().unwrap(), "globex".parse().unwrap());
    for slug in [None, Some(&initech)] {
        assert_eq!(outcome(&tenants.create(&identity, &name, slug).await), "SingleTenantMode");
    }
    assert_eq!(outcome(&operator_tenants.create_for(user, &name, &other).await), "SingleTenantMode");
    assert!(!operator_tenants.exists(&initech).await.unwrap());
    assert_eq!(outcome(&operator_tenants.create_for(user, &name, &initech).await), "Ok");
    assert_eq!(outcome(&operator_tenants.create_for(user, &name, &initech).await), "SlugTaken");
    assert!(operator_tenants.exists(&initech).await.unwrap());
    assert!(test_db.permit::<TenantArchive>(user, "initech").await.is_ok());
    assert_eq!(counts(&test_db).await["tenants"], 1);
}

#[rstest]
#[tokio::test]
async fn single_mode_slug_is_immutable(#[future(awt)] seeded: SeededDb) {
    let tenants: Arc<dyn Tenants> = module_in_mode(&seeded, TenancyMode::Single("acme".parse().unwrap())).resolve();
    let permit = seeded.permit::<TenantUpdate>(seeded.seed.users.alice.id, "acme").await.unwrap();
    let slug = |slug: &str| Some(slug.parse().unwrap());
    let name = Some("Another".parse().unwrap());
    let result = tenants.update(&permit, &TenantChange { name: name.clone(), slug: slug("other") }).await;
    assert_eq!(outcome(&result), "SlugImmutable");
    let changed = tenants.update(&permit, &TenantChange { name, slug: slug("acme") }).await.unwrap();
    assert_eq!((changed.slug.as_str(), changed.name.as_str()), ("acme", "Another"));
}
