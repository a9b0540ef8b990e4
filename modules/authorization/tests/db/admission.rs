//! Admission, members and tenants, against a real server.

use std::sync::Arc;

use authorization::AuthorizationModuleImpl;
use kernel::{
    contracts::{
        AccessRequest, AuthorizationService, Decision, Environment, Members, MembersError, MyTenants, Permission,
        ScopeError, TenantId, TenantTarget, UserId, UserRead, VerifiedClaims,
    },
    di::Given,
};
use rstest::rstest;
use shaku::HasComponent;
use test_support::{Seeded, TestDb, db, seeded};

fn module(db: &TestDb) -> AuthorizationModuleImpl {
    AuthorizationModuleImpl::builder(db.db.module(), Given::new(Arc::default())).build()
}

fn members(db: &TestDb) -> Arc<dyn Members> {
    module(db).resolve()
}

async fn execute(db: &TestDb, sql: &'static str) {
    sqlx::raw_sql(sql).execute(&mut db.owner().await).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_member_is_admitted_by_slug_and_by_id_in_any_case(#[future(awt)] seeded: Seeded) {
    let (bob, acme) = (seeded.seed.users.bob.id, &seeded.seed.tenants.acme);
    for name in ["acme".into(), "ACME".into(), acme.id.to_string(), acme.id.to_string().to_uppercase()] {
        let scope = seeded.scope(bob, &name).await.unwrap();
        assert_eq!((scope.tenant(), scope.role()), (acme.id, acme.member_role), "{name}");
    }
}

#[rstest]
#[tokio::test]
async fn nobody_else_is_admitted(#[future(awt)] seeded: Seeded) {
    let (bob, globex) = (seeded.seed.users.bob.id, seeded.seed.tenants.globex.id);
    for name in ["globex".into(), globex.to_string(), "nowhere".into(), TenantId::new().to_string(), "no slug".into()] {
        let refused = seeded.scope(bob, &name).await.unwrap_err();
        assert!(matches!(refused, ScopeError::NotFound), "{name}: {refused:?}");
    }
    let stranger = seeded.scope(UserId::new(), "acme").await.unwrap_err();
    assert!(matches!(stranger, ScopeError::Identity(_)), "{stranger:?}");
}

#[rstest]
#[tokio::test]
async fn an_archived_tenant_is_as_good_as_none(#[future(awt)] seeded: Seeded) {
    execute(&seeded, "UPDATE tenants SET status = 'archived' WHERE slug = 'acme'").await;
    let alice = seeded.seed.users.alice.id;
    assert!(matches!(seeded.scope(alice, "acme").await, Err(ScopeError::NotFound)));
    let my_tenants: Arc<dyn MyTenants> = module(&seeded).resolve();
    let mine = my_tenants.list(&seeded.identity(alice).await.unwrap()).await.unwrap();
    assert_eq!(mine.iter().map(|tenant| tenant.slug.as_str()).collect::<Vec<_>>(), ["globex"]);
}

#[rstest]
#[tokio::test]
async fn a_person_sees_the_tenants_they_are_in_with_their_roles(#[future(awt)] seeded: Seeded) {
    let my_tenants: Arc<dyn MyTenants> = module(&seeded).resolve();
    for (user, expected) in [
        (seeded.seed.users.alice.id, vec![("acme", "Acme Corp", "admin"), ("globex", "Globex Inc", "admin")]),
        (seeded.seed.users.bob.id, vec![("acme", "Acme Corp", "member")]),
    ] {
        let mine = my_tenants.list(&seeded.identity(user).await.unwrap()).await.unwrap();
        let mine: Vec<_> = mine.iter().map(|t| (t.slug.as_str(), t.name.as_str(), t.role.name.as_str())).collect();
        assert_eq!(mine, expected);
    }
}

#[rstest]
#[tokio::test]
async fn a_custom_role_allows_what_its_policy_says(#[future(awt)] db: TestDb) {
    let tenant = db.make_tenant().await;
    for (policy, allowed) in [(["user", "read"], true), (["*", "read"], true), (["user", "invite"], false)] {
        let (person, role) = (db.make_user().await, db.make_role(&tenant, policy).await);
        db.make_member(&tenant, person, role).await;
        assert_eq!(db.permit::<UserRead>(person, &tenant.slug).await.is_ok(), allowed, "{policy:?}");
    }
}

#[rstest]
#[tokio::test]
async fn members_come_in_pages(#[future(awt)] db: TestDb) {
    let (tenant, other) = (db.make_tenant().await, db.make_tenant().await);
    let mut people = Vec::new();
    for _ in 0..9 {
        people.push(db.make_user().await);
        db.make_member(&tenant, people[people.len() - 1], tenant.member_role).await;
        db.make_member(&other, people[people.len() - 1], other.admin_role).await;
    }
    let permit = db.permit::<UserRead>(people[0], &tenant.slug).await.unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = members(&db).list(&permit, after, 4).await.unwrap();
        assert!(page.len() <= 4);
        let Some(last) = page.last() else { break };
        after = Some(last.person.id);
        seen.extend(page.iter().map(|member| member.person.id));
    }
    // In the order in which they came.
    assert_eq!(seen, people);
}

#[rstest]
#[tokio::test]
async fn a_page_shows_the_people_of_the_tenant_alone(#[future(awt)] seeded: Seeded) {
    let permit = seeded.permit::<UserRead>(seeded.seed.users.alice.id, "globex").await.unwrap();
    let page = members(&seeded).list(&permit, None, 100).await.unwrap();
    assert_eq!(
        page.iter().map(|m| (m.person.id, m.role.id)).collect::<Vec<_>>(),
        [(seeded.seed.users.alice.id, seeded.seed.tenants.globex.admin_role)]
    );
}

#[rstest]
#[tokio::test]
async fn a_person_of_another_tenant_is_as_good_as_none(#[future(awt)] seeded: Seeded) {
    let permit = seeded.permit::<UserRead>(seeded.seed.users.alice.id, "globex").await.unwrap();
    for stranger in [seeded.seed.users.bob.id, UserId::new()] {
        assert!(matches!(members(&seeded).get(&permit, stranger).await, Err(MembersError::NotFound)));
    }
    let alice = members(&seeded).get(&permit, seeded.seed.users.alice.id).await.unwrap();
    assert_eq!(alice.person.email.as_str(), "alice@example.com");
}

#[rstest]
#[tokio::test]
async fn a_deny_wins_over_the_admins_allow_from_the_next_request_on(#[future(awt)] seeded: Seeded) {
    let alice = seeded.seed.users.alice.id;
    assert!(seeded.permit::<UserRead>(alice, "acme").await.is_ok());
    execute(
        &seeded,
        "INSERT INTO policies (tenant_id, id, effect, resource, verbs, digest)
         SELECT id, gen_random_uuid(), 'deny', 'user', '{read}', sha256('1') FROM tenants WHERE slug = 'acme'",
    )
    .await;
    let denial = seeded.permit::<UserRead>(alice, "acme").await.unwrap_err();
    assert_eq!(denial.permission.name, "user:read");
    assert!(seeded.permit::<UserRead>(alice, "globex").await.is_ok());
}

/// Two programs on one database, each with what it remembers.
#[rstest]
#[tokio::test]
async fn a_change_made_through_one_program_is_in_force_on_the_next_request_at_another(#[future(awt)] seeded: Seeded) {
    let (alice, acme) = (seeded.seed.users.alice.id, seeded.seed.tenants.acme.id);
    #[expect(clippy::disallowed_methods, reason = "a test says who it is")]
    let claims = VerifiedClaims::of(alice, None);
    let programs: [Arc<dyn AuthorizationService>; 2] = [module(&seeded).resolve(), module(&seeded).resolve()];
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
            sqlx::query(sql).execute(&mut **tx).await.unwrap();
            tx.commit().await.unwrap();
            for program in &programs {
                let admission = program.admit(&claims, TenantTarget::Id(acme)).await.unwrap();
                let environment = Environment { now: time::OffsetDateTime::UNIX_EPOCH, client_addr: None };
                let request = AccessRequest { permission: &UserRead::INFO, resource: None, environment: &environment };
                let decision = admission.policies.decide(scope.principal(), admission.role, &request);
                assert_eq!(matches!(decision, Decision::Allow(_)), allowed, "round {round}: {sql}");
            }
        }
    }
}

#[rstest]
#[tokio::test]
async fn whatever_decisions_follow_from_raises_its_own_tenants_policy_version(#[future(awt)] seeded: Seeded) {
    let mut owner = seeded.owner().await;
    let mut versions = async || {
        let versions = "SELECT policy_version FROM tenants ORDER BY slug";
        sqlx::query_scalar::<_, i64>(versions).fetch_all(&mut owner).await.unwrap()
    };
    let mut before = versions().await;
    for sql in [
        "INSERT INTO policies (tenant_id, id, effect, resource, verbs, digest)
         SELECT id, gen_random_uuid(), 'deny', 'user', '{read}', sha256('1') FROM tenants WHERE slug = 'acme'",
        "UPDATE policies SET resource = '*' WHERE effect = 'deny'",
        "DELETE FROM policies WHERE effect = 'deny'",
        "UPDATE tenant_attributes SET plan = 'free' WHERE tenant_id = (SELECT id FROM tenants WHERE slug = 'acme')",
    ] {
        execute(&seeded, sql).await;
        let after = versions().await;
        assert_eq!((after[0] - before[0], after[1] - before[1]), (1, 0), "{sql}");
        before = after;
    }
    execute(&seeded, "UPDATE policies SET created_at = created_at WHERE false").await;
    assert_eq!(versions().await, before, "a change of nothing");
}

#[rstest]
#[tokio::test]
async fn a_condition_that_nobody_can_read_fails_closed(#[future(awt)] seeded: Seeded) {
    let (alice, bob) = (seeded.seed.users.alice.id, seeded.seed.users.bob.id);
    execute(&seeded, r#"UPDATE policies SET condition = '{"moon": "full"}' WHERE resource = 'user'"#).await;
    assert!(seeded.permit::<UserRead>(bob, "acme").await.is_err());
    assert!(seeded.permit::<UserRead>(alice, "acme").await.is_ok());
    execute(
        &seeded,
        r#"INSERT INTO policies (tenant_id, id, effect, resource, verbs, digest, condition)
           SELECT id, gen_random_uuid(), 'deny', 'user', '{read}', sha256('1'), '{"moon": "full"}' FROM tenants WHERE slug = 'acme'"#,
    )
    .await;
    assert!(seeded.permit::<UserRead>(alice, "acme").await.is_err());
}

#[rstest]
#[tokio::test]
async fn a_condition_looks_at_the_tenants_attributes(#[future(awt)] seeded: Seeded) {
    let bob = seeded.seed.users.bob.id;
    let read = async |condition: &'static str| {
        execute(&seeded, condition).await;
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
            r#"UPDATE policies SET condition = '{"attribute": {"name": "tenant.max_users", "at_most": 1}}'
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
async fn the_schema_refuses_slugs_that_could_be_mistaken(#[future(awt)] seeded: Seeded) {
    let mut owner = seeded.owner().await;
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
        let refused = sqlx::query("INSERT INTO tenants (id, slug, name) VALUES (gen_random_uuid(), $1, 'X')");
        let refused = refused.bind(slug).execute(&mut owner).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "23514", "{slug}");
    }
}

#[rstest]
#[tokio::test]
async fn a_role_that_somebody_has_cannot_go(#[future(awt)] seeded: Seeded) {
    let mut owner = seeded.owner().await;
    let refused = sqlx::query("DELETE FROM roles WHERE name = 'member'").execute(&mut owner).await.unwrap_err();
    // foreign_key_violation; since PostgreSQL 18, restrict_violation.
    let code = refused.as_database_error().unwrap().code().unwrap().into_owned();
    assert!(["23503", "23001"].contains(&&*code), "{code}");
}

/// The keys carry the tenant, so it takes no row-level security: not even the owner of the tables can do it.
#[rstest]
#[tokio::test]
async fn nothing_names_another_tenants_role_by_any_sql(#[future(awt)] seeded: Seeded) {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT conrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND confrelid = 'roles'::regclass",
    )
    .fetch_all(&mut seeded.owner().await)
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
            let refused = sqlx::query(sqlx::AssertSqlSafe(change.clone())).execute(&mut seeded.owner().await).await;
            let code = refused.unwrap_err().as_database_error().unwrap().code().unwrap().into_owned();
            // A foreign key, or the key of a person who is in both.
            assert!(["23503", "23001", "23505"].contains(&code.as_str()), "{change}: {code}");
        }
    }
}
