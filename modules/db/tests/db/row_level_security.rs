//! Row-level security of all tenant tables, which are found in the catalog: a new table without policies fails these
//! tests.

use db::{SystemReason, Tx};
use rstest::rstest;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use test_support::{SeededDb, TestDb, seeded, test_db};

/// Tables with a column `tenant_id`, and `tenants` itself, each with the column that identifies the tenant.
async fn tenant_tables(superuser: &mut PgConnection) -> Vec<(String, &'static str)> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT c.relname::text
         FROM pg_class AS c
         JOIN pg_attribute AS a ON a.attrelid = c.oid
         WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attname = 'tenant_id'
         ORDER BY 1",
    )
    .fetch_all(superuser)
    .await
    .unwrap();
    names.into_iter().map(|name| (name, "tenant_id")).chain([("tenants".into(), "id")]).collect()
}

#[rstest]
#[tokio::test]
async fn every_tenant_table_forces_rls(#[future(awt)] test_db: TestDb) {
    let mut superuser = test_db.superuser().await;
    let tables = tenant_tables(&mut superuser).await;
    assert!(tables.len() >= 7, "the catalog query finds no tables: {tables:?}");
    for (table, _) in tables {
        let row = sqlx::query("SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = $1::regclass")
            .bind(&table)
            .fetch_one(&mut superuser)
            .await
            .unwrap();
        assert!(row.get::<bool, _>(0), "{table}: ALTER TABLE {table} ENABLE ROW LEVEL SECURITY");
        assert!(row.get::<bool, _>(1), "{table}: ALTER TABLE {table} FORCE ROW LEVEL SECURITY");
    }
}

#[rstest]
#[tokio::test]
async fn self_row_policies_are_read_only(#[future(awt)] test_db: TestDb) {
    let mut superuser = test_db.superuser().await;
    let policies: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT tablename::text, policyname::text, cmd
         FROM pg_policies
         WHERE qual LIKE '%scope_user_id%' OR with_check LIKE '%scope_user_id%'",
    )
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    assert!(policies.len() >= 5, "the catalog query finds no policies");
    for (table, policy, command) in policies {
        assert_eq!(command, "SELECT", "{policy} on {table} must be FOR SELECT");
    }
}

#[rstest]
#[tokio::test]
async fn missing_predicate_is_bounded_by_rls(#[future(awt)] seeded: SeededDb) {
    let mut superuser = seeded.superuser().await;
    let scope = seeded.scope(seeded.seed.users.alice.id, "acme").await.unwrap();
    let mut tx = seeded.db.database().begin(&scope).await.unwrap();
    let mut unscoped = seeded.db.database().begin_unscoped().await.unwrap();
    for (table, column) in tenant_tables(&mut superuser).await {
        if !has_privilege(&mut superuser, &table, "SELECT").await {
            // Accessible only to `tenantry_system`.
            continue;
        }
        let sql = format!("SELECT count(*), count(*) FILTER (WHERE {column} = $1) FROM {table}");
        let count = || sqlx::query_as::<_, (i64, i64)>(AssertSqlSafe(sql.as_str())).bind(scope.tenant().as_uuid());
        let (all_rows, own_rows) = count().fetch_one(&mut superuser).await.unwrap();
        assert!(own_rows > 0 && all_rows > own_rows, "{table}: the seed needs rows of two tenants");
        assert_eq!(count().fetch_one(tx.conn()).await.unwrap(), (own_rows, own_rows), "{table} in the scope");
        assert_eq!(count().fetch_one(unscoped.conn()).await.unwrap(), (0, 0), "{table} without a scope");
    }
}

/// Bob is a member of acme. Alice is a member of acme and globex. A third user is a member of neither.
#[rstest]
#[tokio::test]
async fn users_are_visible_to_themselves_and_fellow_members(#[future(awt)] seeded: SeededDb) {
    seeded.create_user().await;
    let (alice, bob) = (seeded.seed.users.alice.id, seeded.seed.users.bob.id);
    let visible = async |tx: &mut Tx| -> Vec<String> {
        let users = sqlx::query_scalar("SELECT email FROM user_profiles ORDER BY email").fetch_all(tx.conn());
        let users = users.await.unwrap();
        let table: Vec<String> =
            sqlx::query_scalar("SELECT email FROM users ORDER BY email").fetch_all(tx.conn()).await.unwrap();
        assert_eq!(users, table, "the view and its table");
        users
    };
    let database = seeded.db.database();
    let mut acme = database.begin(&seeded.scope(alice, "acme").await.unwrap()).await.unwrap();
    assert_eq!(visible(&mut acme).await, ["alice@example.com", "bob@example.com"]);
    let mut globex = database.begin(&seeded.scope(alice, "globex").await.unwrap()).await.unwrap();
    assert_eq!(visible(&mut globex).await, ["alice@example.com"]);
    let mut own = database.begin_for_user(&seeded.identity(bob).await.unwrap()).await.unwrap();
    assert_eq!(visible(&mut own).await, ["bob@example.com"]);
    assert!(visible(&mut database.begin_unscoped().await.unwrap()).await.is_empty());
}

async fn has_privilege(superuser: &mut PgConnection, table: &str, privilege: &str) -> bool {
    let query = sqlx::query_scalar("SELECT has_table_privilege('tenantry_app', $1, $2)").bind(table).bind(privilege);
    query.fetch_one(superuser).await.unwrap()
}

#[rstest]
#[tokio::test]
async fn rls_blocks_cross_tenant_writes(#[future(awt)] seeded: SeededDb) {
    let mut superuser = seeded.superuser().await;
    let scope = seeded.scope(seeded.seed.users.alice.id, "acme").await.unwrap();
    let globex = seeded.seed.tenants.globex.id.as_uuid();
    for (table, column) in tenant_tables(&mut superuser).await {
        let before = contents(&mut superuser, &table).await;
        // Move own rows to the other tenant, update its rows, delete its rows, copy own rows to it.
        let columns = columns(&mut superuser, &table).await;
        let copied: Vec<String> =
            columns.iter().map(|name| if name == column { "$1".into() } else { name.clone() }).collect();
        let (columns, copied) = (columns.join(", "), copied.join(", "));
        for (privilege, statement) in [
            ("UPDATE", format!("UPDATE {table} SET {column} = $1")),
            ("UPDATE", format!("UPDATE {table} SET {column} = {column} WHERE {column} = $1")),
            ("DELETE", format!("DELETE FROM {table} WHERE {column} = $1")),
            ("INSERT", format!("INSERT INTO {table} ({columns}) SELECT {copied} FROM {table}")),
        ] {
            let mut tx = seeded.db.database().begin(&scope).await.unwrap();
            let outcome = sqlx::query(AssertSqlSafe(statement.as_str())).bind(globex).execute(tx.conn()).await;
            match outcome {
                // Rows that aren't visible can't be changed.
                Ok(result) => assert_eq!(result.rows_affected(), 0, "{statement}"),
                Err(error) => {
                    let error = error.as_database_error().unwrap();
                    assert_eq!(error.code().unwrap(), "42501", "{statement}: {error}");
                    let granted = has_privilege(&mut superuser, &table, privilege).await;
                    assert_eq!(error.message().contains("row-level security"), granted, "{statement}: {error}");
                }
            }
        }
        assert_eq!(contents(&mut superuser, &table).await, before, "{table} changed");
    }
}

async fn columns(superuser: &mut PgConnection, table: &str) -> Vec<String> {
    let names = sqlx::query_scalar(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
    );
    names.bind(table).fetch_all(superuser).await.unwrap()
}

async fn contents(superuser: &mut PgConnection, table: &str) -> String {
    let sql = format!("SELECT coalesce(string_agg(t::text, E'\n' ORDER BY t::text), '') FROM {table} AS t");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(superuser).await.unwrap()
}

#[rstest]
#[tokio::test]
async fn cross_tenant_foreign_key_is_rejected(#[future(awt)] seeded: SeededDb) {
    let tenants = &seeded.seed.tenants;
    let mut tx = seeded.db.system().begin(SystemReason::Seed).await.unwrap();
    // Not even `tenantry_system` can assign Bob of Acme the admin role of Globex.
    let result = sqlx::query("UPDATE memberships SET role_id = $1 WHERE tenant_id = $2")
        .bind(tenants.globex.admin_role.as_uuid())
        .bind(tenants.acme.id.as_uuid())
        .execute(tx.conn())
        .await;
    assert_eq!(result.unwrap_err().as_database_error().unwrap().code().unwrap(), "23503");
}

#[rstest]
#[tokio::test]
async fn tenant_foreign_keys_include_tenant_id(#[future(awt)] test_db: TestDb) {
    let mut superuser = test_db.superuser().await;
    let tables: Vec<String> = tenant_tables(&mut superuser).await.into_iter().map(|(name, _)| name).collect();
    let missing: Vec<String> = sqlx::query_scalar(
        "SELECT conrelid::regclass || ': ' || conname
         FROM pg_constraint
         WHERE contype = 'f' AND conrelid::regclass::text = ANY ($1) AND confrelid::regclass::text = ANY ($1)
           AND confrelid <> 'tenants'::regclass
           AND NOT EXISTS (
             SELECT FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey) AND attname = 'tenant_id'
           )",
    )
    .bind(&tables)
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    assert_eq!(missing, Vec::<String>::new(), "must be FOREIGN KEY (tenant_id, …)");
}
