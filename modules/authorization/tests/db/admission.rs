//! Admission of users to tenants, and reading members.

use std::sync::Arc;

use authorization::AuthorizationModule;
use authorization_api::{Members, MembersError, UserRead, UserTenants};
use kernel::{
    AccessRequest, AdmissionError, Decision, Environment, Permission, Principal, ScopeError, TenancyMode,
    TenantAdmission, TenantId, TenantSlug, TenantTarget, UserId, ValueModule, VerifiedClaims,
};
use rstest::rstest;
use shaku::HasComponent;
use sqlx::Connection;
use test_support::{FailoverDb, SeededDb, TestDb, fixture_event, seeded, test_db, wait_for_lock_waiters};
use uuid::Uuid;

use crate::helpers::module;

fn members(db: &TestDb) -> Arc<dyn Members> {
    module(db).resolve()
}

#[rstest]
#[tokio::test]
async fn admission_ignores_case_of_slug_and_id(#[future(awt)] seeded: SeededDb) {
    let (bob, acme) = (seeded.seed.users.bob.id, &seeded.seed.tenants.acme);
    for name in ["acme".into(), "ACME".into(), acme.id.to_string(), acme.id.to_string().to_uppercase()] {
        let scope = seeded.scope(bob, &name).await.unwrap();
        assert_eq!((scope.tenant(), scope.role()), (acme.id, acme.member_role), "{name}");
    }
}

#[rstest]
#[tokio::test]
async fn non_member_is_not_admitted(#[future(awt)] seeded: SeededDb) {
    let (bob, globex) = (seeded.seed.users.bob.id, seeded.seed.tenants.globex.id);
    for name in ["globex".into(), globex.to_string(), "nowhere".into(), TenantId::new().to_string(), "no slug".into()] {
        let error = seeded.scope(bob, &name).await.unwrap_err();
        assert!(matches!(error, ScopeError::NotFound), "{name}: {error:?}");
    }
    let error = seeded.scope(UserId::new(), "acme").await.unwrap_err();
    assert!(matches!(error, ScopeError::Identity(_)), "{error:?}");
}

#[rstest]
#[tokio::test]
async fn archived_tenant_is_not_found(#[future(awt)] seeded: SeededDb) {
    seeded.execute("UPDATE tenants SET status = 'archived' WHERE slug = 'acme'").await;
    let alice = seeded.seed.users.alice.id;
    assert!(matches!(seeded.scope(alice, "acme").await, Err(ScopeError::NotFound)));
    let user_tenants: Arc<dyn UserTenants> = module(&seeded).resolve();
    let tenants = user_tenants.list(&seeded.identity(alice).await.unwrap()).await.unwrap();
    assert_eq!(tenants.iter().map(|tenant| tenant.slug.as_str()).collect::<Vec<_>>(), ["globex"]);
}

#[rstest]
#[tokio::test]
async fn my_tenants_lists_memberships_with_roles(#[future(awt)] seeded: SeededDb) {
    let user_tenants: Arc<dyn UserTenants> = module(&seeded).resolve();
    for (user, expected) in [
        (seeded.seed.users.alice.id, vec![("acme", "Acme Corp", "admin"), ("globex", "Globex Inc", "admin")]),
        (seeded.seed.users.bob.id, vec![("acme", "Acme Corp", "member")]),
    ] {
        let tenants = user_tenants.list(&seeded.identity(user).await.unwrap()).await.unwrap();
        let tenants: Vec<_> =
            tenants.iter().map(|t| (t.slug.as_str(), t.name.as_str(), t.role.name.as_str())).collect();
        assert_eq!(tenants, expected);
    }
}

#[rstest]
#[tokio::test]
async fn custom_role_grants_its_permissions(#[future(awt)] test_db: TestDb) {
    let tenant = test_db.create_tenant().await;
    for (policy, allowed) in [(["user", "read"], true), (["*", "read"], true), (["user", "invite"], false)] {
        let role = test_db.create_role(&tenant, policy).await;
        let user = test_db.create_member(&tenant, role).await;
        assert_eq!(test_db.permit::<UserRead>(user, &tenant.slug).await.is_ok(), allowed, "{policy:?}");
    }
}

#[rstest]
#[tokio::test]
async fn members_are_paginated(#[future(awt)] test_db: TestDb) {
    let (tenant, other) = (test_db.create_tenant().await, test_db.create_tenant().await);
    let mut users = Vec::new();
    for _ in 0..9 {
        users.push(test_db.create_user().await);
        test_db.add_member(&tenant, users[users.len() - 1], tenant.member_role).await;
        test_db.add_member(&other, users[users.len() - 1], other.admin_role).await;
    }
    let permit = test_db.permit::<UserRead>(users[0], &tenant.slug).await.unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = members(&test_db).list(&permit, after, 4).await.unwrap();
        assert!(page.len() <= 4);
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.iter().map(|member| member.id));
    }
    // Members are ordered by id, and so by creation.
    assert_eq!(seen, users);
}

#[rstest]
#[tokio::test]
async fn member_list_is_tenant_scoped(#[future(awt)] seeded: SeededDb) {
    let permit = seeded.permit::<UserRead>(seeded.seed.users.alice.id, "globex").await.unwrap();
    let page = members(&seeded).list(&permit, None, 100).await.unwrap();
    assert_eq!(
        page.iter().map(|m| (m.id, m.role.id)).collect::<Vec<_>>(),
        [(seeded.seed.users.alice.id, seeded.seed.tenants.globex.admin_role)]
    );
}

#[rstest]
#[tokio::test]
async fn other_tenants_member_is_not_found(#[future(awt)] seeded: SeededDb) {
    let permit = seeded.permit::<UserRead>(seeded.seed.users.alice.id, "globex").await.unwrap();
    for non_member in [seeded.seed.users.bob.id, UserId::new()] {
        assert!(matches!(members(&seeded).get(&permit, non_member).await, Err(MembersError::NotFound)));
    }
    let alice = members(&seeded).get(&permit, seeded.seed.users.alice.id).await.unwrap();
    assert_eq!(alice.email.as_str(), "alice@example.com");
}

#[rstest]
#[tokio::test]
async fn new_deny_applies_to_next_request(#[future(awt)] seeded: SeededDb) {
    let alice = seeded.seed.users.alice.id;
    assert!(seeded.permit::<UserRead>(alice, "acme").await.is_ok());
    let deny = "INSERT INTO policies (tenant_id, id, effect, resource, verbs, digest)
        SELECT id, gen_random_uuid(), 'deny', 'user', '{read}', sha256('1') FROM tenants WHERE slug = 'acme'";
    seeded.execute(deny).await;
    let denial = seeded.permit::<UserRead>(alice, "acme").await.unwrap_err();
    assert_eq!(denial.permission.name, "user:read");
    assert!(seeded.permit::<UserRead>(alice, "globex").await.is_ok());
}

/// Two instances on one database, each with its own policy cache.
#[rstest]
#[tokio::test]
async fn policy_change_is_visible_across_instances(#[future(awt)] seeded: SeededDb) {
    let (alice, acme) = (seeded.seed.users.alice.id, seeded.seed.tenants.acme.id);
    #[expect(clippy::disallowed_methods, reason = "tests choose the user")]
    let claims = VerifiedClaims::new(alice, None);
    let instances: [Arc<dyn TenantAdmission>; 2] = [module(&seeded).resolve(), module(&seeded).resolve()];
    let scope = seeded.scope(alice, "acme").await.unwrap();
    for round in 0..5 {
        for (sql, allowed) in [
            (
                "INSERT INTO policies (tenant_id, id, effect, resource, verbs, digest)
                 SELECT tenant_id, gen_random_uuid(), 'deny', 'user', '{read}', sha256('1') FROM tenant_attributes",
                false,
            ),
            ("UPDATE policies SET resource = 'billing' WHERE effect = 'deny'", true),
            ("DELETE FROM policies WHERE effect = 'deny'", true),
        ] {
            let mut tx = seeded.db.database().begin(&scope).await.unwrap();
            sqlx::query(sql).execute(tx.conn()).await.unwrap();
            tx.commit(fixture_event()).await.unwrap();
            for instance in &instances {
                let admission = instance.admit(&claims, TenantTarget::Id(acme)).await.unwrap();
                let environment = Environment { now: time::OffsetDateTime::UNIX_EPOCH, client_addr: None };
                let request = AccessRequest { permission: &UserRead::INFO, resource: None, environment: &environment };
                let decision = admission.policies.decide(scope.principal(), admission.facts.role, &request);
                assert_eq!(matches!(decision, Decision::Allow(_)), allowed, "round {round}: {sql}");
            }
        }
    }
}

/// The tenant is renamed between the two statements of an admission. The admission must not be confirmed for the former
/// slug, although its policies are those after the rename.
#[rstest]
#[tokio::test]
async fn rename_before_policies_are_read_outdates_admission(#[future(awt)] seeded: SeededDb) {
    let admissions: Arc<dyn TenantAdmission> = module(&seeded).resolve();
    #[expect(clippy::disallowed_methods, reason = "tests choose the user")]
    let claims = VerifiedClaims::new(seeded.seed.users.alice.id, None);
    let slug = "acme".parse::<TenantSlug>().unwrap();
    let mut superuser = seeded.superuser().await;
    // The membership is read before the lock is released, the policies afterwards.
    let mut tx = superuser.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE tenant_attributes IN ACCESS EXCLUSIVE MODE").execute(&mut *tx).await.unwrap();
    let admit = admissions.admit(&claims, TenantTarget::Slug(&slug));
    let rename = async {
        wait_for_lock_waiters(&seeded, 1).await;
        sqlx::query("UPDATE tenants SET slug = 'acme-2' WHERE slug = 'acme'").execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    };
    let (admission, ()) = tokio::join!(admit, rename);
    let current: Uuid = sqlx::query_scalar("SELECT policy_version FROM tenants WHERE slug = 'acme-2'")
        .fetch_one(&mut seeded.superuser().await)
        .await
        .unwrap();
    assert_ne!(admission.unwrap().facts.policy_version, current, "the database would confirm the former slug");
    let cached = admissions.cached(&claims, TenantTarget::Slug(&slug));
    assert!(cached.is_none_or(|cached| cached.facts.policy_version != current));
    assert!(matches!(admissions.admit(&claims, TenantTarget::Slug(&slug)).await, Err(AdmissionError::TenantNotFound)));
}

/// After a failover or a restore that loses the cached policies, another change must not get their version.
#[rstest]
#[tokio::test]
async fn policies_of_lost_commit_are_not_used(#[future(awt)] seeded: SeededDb) {
    let bob = seeded.seed.users.bob.id;
    let can_read = async || seeded.permit::<UserRead>(bob, "acme").await.is_ok();
    let insert = |effect: &str, resource: &str| {
        format!(
            "INSERT INTO policies (tenant_id, id, effect, resource, verbs, digest)
             SELECT id, gen_random_uuid(), '{effect}', '{resource}', '{{read}}', sha256('1') FROM tenants
             WHERE slug = 'acme'"
        )
    };
    assert!(can_read().await);
    let before: Uuid = sqlx::query_scalar("SELECT policy_version FROM tenants WHERE slug = 'acme'")
        .fetch_one(&mut seeded.superuser().await)
        .await
        .unwrap();
    seeded.execute(&insert("deny", "user")).await;
    assert!(!can_read().await);
    // The commit is lost: rows and version are as before. Triggers don't run, as in a restore.
    seeded
        .execute(&format!(
            "SET session_replication_role = replica;
             DELETE FROM policies WHERE effect = 'deny';
             UPDATE tenants SET policy_version = '{before}' WHERE slug = 'acme'"
        ))
        .await;
    // No read before the next change, as it would replace the cached policies.
    seeded.execute(&insert("allow", "billing")).await;
    assert!(can_read().await, "the lost deny is applied");
}

/// The promoted standby lacks the last commit, whose policies are cached. It gives the next change a new version.
#[tokio::test]
async fn promoted_lagging_standby_does_not_revive_policies() {
    let mut failover = FailoverDb::start().await;
    let (bob, acme) = (failover.seed.users.bob.id, failover.seed.tenants.acme.id);
    #[expect(clippy::disallowed_methods, reason = "tests choose the user")]
    let claims = VerifiedClaims::new(bob, None);
    let module =
        AuthorizationModule::builder(failover.db.module(), ValueModule::new(Arc::new(TenancyMode::default()))).build();
    let admission: Arc<dyn TenantAdmission> = module.resolve();
    let can_read = async || {
        let admission = admission.admit(&claims, TenantTarget::Id(acme)).await.unwrap();
        let environment = Environment { now: time::OffsetDateTime::UNIX_EPOCH, client_addr: None };
        let request = AccessRequest { permission: &UserRead::INFO, resource: None, environment: &environment };
        let decision = admission.policies.decide(Principal::User(bob), admission.facts.role, &request);
        matches!(decision, Decision::Allow(_))
    };
    let insert = async |failover: &FailoverDb, effect: &str, resource: &str| {
        let insert = "INSERT INTO policies (tenant_id, id, effect, resource, verbs, digest)
             VALUES ($1, gen_random_uuid(), $2::policy_effect, $3, '{read}', sha256('1'))";
        let insert = sqlx::query(insert).bind(acme.as_uuid()).bind(effect).bind(resource);
        insert.execute(&mut failover.superuser().await).await.unwrap();
    };
    assert!(can_read().await);
    failover.create_standby();
    insert(&failover, "deny", "user").await;
    assert!(!can_read().await);
    failover.fail_over().await;
    // No read before the next change, as it would replace the cached policies.
    insert(&failover, "allow", "billing").await;
    assert!(can_read().await, "the lost deny is applied");
}

#[rstest]
#[tokio::test]
async fn authorization_writes_renew_policy_version(#[future(awt)] seeded: SeededDb) {
    let mut superuser = seeded.superuser().await;
    let mut versions = async || {
        let versions = "SELECT policy_version FROM tenants ORDER BY slug";
        sqlx::query_scalar::<_, Uuid>(versions).fetch_all(&mut superuser).await.unwrap()
    };
    let mut before = versions().await;
    let mut seen = before.clone();
    for sql in [
        "INSERT INTO policies (tenant_id, id, effect, resource, verbs, digest)
         SELECT id, gen_random_uuid(), 'deny', 'user', '{read}', sha256('1') FROM tenants WHERE slug = 'acme'",
        "UPDATE policies SET resource = '*' WHERE effect = 'deny'",
        "DELETE FROM policies WHERE effect = 'deny'",
        "UPDATE tenant_attributes SET plan = 'free' WHERE tenant_id = (SELECT id FROM tenants WHERE slug = 'acme')",
    ] {
        seeded.execute(sql).await;
        let after = versions().await;
        assert!(!seen.contains(&after[0]), "{sql}");
        assert_eq!(after[1], before[1], "{sql}");
        seen.push(after[0]);
        before = after;
    }
    seeded.execute("UPDATE policies SET created_at = created_at WHERE false").await;
    assert_eq!(versions().await, before, "an update of no rows");
}

#[rstest]
#[tokio::test]
async fn invalid_stored_condition_fails_closed(#[future(awt)] seeded: SeededDb) {
    let (alice, bob) = (seeded.seed.users.alice.id, seeded.seed.users.bob.id);
    seeded.execute(r#"UPDATE policies SET condition = '{"unknown": "x"}' WHERE resource = 'user'"#).await;
    assert!(seeded.permit::<UserRead>(bob, "acme").await.is_err());
    assert!(seeded.permit::<UserRead>(alice, "acme").await.is_ok());
    let deny = r#"INSERT INTO policies (tenant_id, id, effect, resource, verbs, digest, condition)
        SELECT id, gen_random_uuid(), 'deny', 'user', '{read}', sha256('1'), '{"unknown": "x"}' FROM tenants
        WHERE slug = 'acme'"#;
    seeded.execute(deny).await;
    assert!(seeded.permit::<UserRead>(alice, "acme").await.is_err());
}

#[rstest]
#[tokio::test]
async fn condition_reads_tenant_attributes(#[future(awt)] seeded: SeededDb) {
    let bob = seeded.seed.users.bob.id;
    let read = async |condition: &'static str| {
        seeded.execute(condition).await;
        seeded.permit::<UserRead>(bob, "acme").await.is_ok()
    };
    assert!(read(r#"UPDATE policies SET condition = '{"feature": "sso"}' WHERE resource = 'user'"#).await);
    assert!(!read(r#"UPDATE policies SET condition = '{"plan": "free"}' WHERE resource = 'user'"#).await);
    assert!(read(r#"UPDATE policies SET condition = '{"not": {"plan": "free"}}' WHERE resource = 'user'"#).await);
    for (condition, allowed) in [
        (
            r#"UPDATE policies SET condition = '{"attribute": {"name": "tenant.contract_type", "is": "enterprise"}}'
               WHERE resource = 'user'"#,
            true,
        ),
        (
            r#"UPDATE policies SET condition = '{"attribute": {"name": "tenant.seat_limit", "at_most": 1}}'
               WHERE resource = 'user'"#,
            false,
        ),
        (
            r#"UPDATE policies SET condition = jsonb_build_object('attribute', jsonb_build_object('name', 'tenant.id',
                 'is', tenant_id)) WHERE resource = 'user'"#,
            true,
        ),
    ] {
        assert_eq!(read(condition).await, allowed, "{condition}");
    }
}

#[rstest]
#[tokio::test]
async fn schema_rejects_invalid_slugs(#[future(awt)] seeded: SeededDb) {
    let mut superuser = seeded.superuser().await;
    for slug in [
        "ab",
        "Acme",
        "a--b",
        "-abc",
        "api",
        "www",
        "019a0000-0000-7000-8000-00000000acee",
        "019a000000007000800000000000acee",
    ] {
        let insert = sqlx::query("INSERT INTO tenants (id, slug, name) VALUES (gen_random_uuid(), $1, 'X')");
        let error = insert.bind(slug).execute(&mut superuser).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "23514", "{slug}");
    }
}

#[rstest]
#[tokio::test]
async fn role_in_use_cannot_be_deleted(#[future(awt)] seeded: SeededDb) {
    let mut superuser = seeded.superuser().await;
    let error = sqlx::query("DELETE FROM roles WHERE name = 'member'").execute(&mut superuser).await.unwrap_err();
    // foreign_key_violation; since PostgreSQL 18, restrict_violation.
    let code = error.as_database_error().unwrap().code().unwrap().into_owned();
    assert!(["23503", "23001"].contains(&&*code), "{code}");
}

/// The foreign keys include the tenant, so this doesn't depend on row-level security: even a superuser can't do it.
#[rstest]
#[tokio::test]
async fn sql_cannot_reference_other_tenants_role(#[future(awt)] seeded: SeededDb) {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT conrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND confrelid = 'roles'::regclass",
    )
    .fetch_all(&mut seeded.superuser().await)
    .await
    .unwrap();
    assert!(tables.iter().any(|table| table == "memberships") && tables.iter().any(|table| table == "policies"));
    let (acme, globex) = ("SELECT id FROM tenants WHERE slug = 'acme'", "SELECT id FROM tenants WHERE slug = 'globex'");
    let foreign = format!("SELECT id FROM roles WHERE tenant_id = ({globex}) AND name = 'admin'");
    for table in tables {
        for change in [
            format!("UPDATE {table} SET role_id = ({foreign}) WHERE tenant_id = ({acme})"),
            format!("UPDATE {table} SET tenant_id = ({globex}) WHERE tenant_id = ({acme})"),
            format!(
                "UPDATE roles SET tenant_id = ({globex}), name = name || 'x', name_key = name_key || 'x' WHERE id IN (SELECT role_id FROM {table} WHERE tenant_id = ({acme}))"
            ),
        ] {
            let result = sqlx::query(sqlx::AssertSqlSafe(change.clone())).execute(&mut seeded.superuser().await).await;
            let code = result.unwrap_err().as_database_error().unwrap().code().unwrap().into_owned();
            // A foreign key violation, or the unique key of a user who is a member of both tenants.
            assert!(["23503", "23001", "23505"].contains(&code.as_str()), "{change}: {code}");
        }
    }
}
