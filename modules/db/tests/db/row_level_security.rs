//! Row-level security of all tenant tables, which are found in the catalog: a new table without policies fails these
//! tests.

use db::{DbServer, SystemReason, Tx, open_db};
use rstest::rstest;
use sqlx::{AssertSqlSafe, PgConnection};
use test_support::{SeededDb, TestDb, seeded, test_db};

/// `tenants` and the tables with foreign keys to it, directly or through another tenant table, each with the column that
/// identifies the tenant. Tables that no role of the program can access are left out.
const TENANT_TABLES: &str = "
    WITH RECURSIVE tenant_columns (relation, number) AS (
      SELECT attrelid, attnum FROM pg_attribute WHERE attrelid = 'tenants'::regclass AND attname = 'id'
      UNION
      SELECT conrelid, key.number
      FROM pg_constraint
      JOIN tenant_columns ON relation = confrelid
      CROSS JOIN LATERAL unnest(conkey, confkey) AS key (number, referenced)
      WHERE contype = 'f' AND referenced = tenant_columns.number
    ), tenant_tables (relation, name, number, tenant_column) AS (
      SELECT relation, relation::regclass::text, number, attname::text
      FROM tenant_columns
      JOIN pg_attribute ON attrelid = relation AND attnum = number
      WHERE EXISTS (
        SELECT FROM unnest(ARRAY['tenantry_app', 'tenantry_system']) AS role
        WHERE has_any_column_privilege(role, relation, 'SELECT, INSERT, UPDATE')
      )
    )";

async fn tenant_tables(superuser: &mut PgConnection) -> Vec<(String, String)> {
    let query = format!("{TENANT_TABLES} SELECT name, tenant_column FROM tenant_tables ORDER BY 1");
    let tables: Vec<(String, String)> = sqlx::query_as(AssertSqlSafe(query)).fetch_all(superuser).await.unwrap();
    assert!(tables.len() >= 7, "the catalog query finds too few tables: {tables:?}");
    tables
}

/// The mistakes in row-level security and in what it depends on, each with what to do. `unprotected_migration_is_rejected`
/// tests what the program itself checks when it starts.
async fn access_mistakes(superuser: &mut PgConnection) -> Vec<String> {
    let query = format!(
        "{TENANT_TABLES}
         SELECT format('table %s: row-level security is not enabled and forced; add ALTER TABLE %1$s ENABLE ROW LEVEL SECURITY and ALTER TABLE %1$s FORCE ROW LEVEL SECURITY', name)
         FROM tenant_tables JOIN pg_class ON pg_class.oid = relation
         WHERE NOT (relrowsecurity AND relforcerowsecurity)
         UNION ALL
         SELECT format('table %s: the primary key lacks %s; begin it with that column', name, tenant_column)
         FROM tenant_tables
         WHERE name <> 'tenants'
           AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = relation AND indisprimary AND indkey[0] = number)
         UNION ALL
         SELECT format('table %s: a foreign key refers to %s without the tenant; begin it with %s', name, confrelid::regclass, tenant_column)
         FROM tenant_tables JOIN pg_constraint ON conrelid = relation
         WHERE contype = 'f' AND NOT number = ANY (conkey) AND confrelid <> 'tenants'::regclass
           AND confrelid IN (SELECT relation FROM tenant_tables)
         UNION ALL
         SELECT format('table %s: the policy %s is too wide; compare the tenant''s column with (SELECT scope_tenant_id())', polrelid::regclass, polname)
         FROM pg_policy
         WHERE polpermissive AND polroles <> ARRAY['tenantry_system'::regrole::oid]
           AND (pg_get_expr(polqual, polrelid) !~ '= (\\( ?SELECT scope_(tenant|user)_id|ANY \\(\\( ?SELECT scope_user_tenants)'
             OR pg_get_expr(polwithcheck, polrelid) !~ '= \\( ?SELECT scope_tenant_id')
           AND NOT (polcmd = 'r' AND polrelid <> 'users'::regclass AND polrelid NOT IN (SELECT relation FROM tenant_tables))
         UNION ALL
         SELECT format('%s %s: row-level security does not apply to it; revoke the privileges on it', CASE relkind WHEN 'm' THEN 'materialized view' ELSE 'foreign table' END, relname)
         FROM pg_class
         WHERE relkind IN ('m', 'f') AND relnamespace = 'public'::regnamespace AND has_any_column_privilege('tenantry_app', oid, 'SELECT, INSERT, UPDATE')
         UNION ALL
         SELECT format('function %s: SECURITY DEFINER bypasses row-level security; remove it, or review the function and list it here', oid::regprocedure)
         FROM pg_proc
         WHERE pronamespace = 'public'::regnamespace AND prosecdef AND proname <> 'record_released_slug'
         UNION ALL
         SELECT format('table %s: %s is granted to %s; grant only SELECT, INSERT, UPDATE and DELETE, without grant option, to the two roles of the program', relname, privilege_type, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
         FROM pg_class, aclexplode(relacl)
         WHERE relnamespace = 'public'::regnamespace AND grantee <> relowner
           AND (privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') OR is_grantable OR grantee = 0)
         ORDER BY 1"
    );
    sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(superuser).await.unwrap()
}

#[rstest]
#[tokio::test]
async fn every_tenant_table_forces_rls(#[future(awt)] test_db: TestDb) {
    let mistakes = access_mistakes(&mut test_db.superuser().await).await;
    assert!(mistakes.is_empty(), "correct the migrations:\n{}", mistakes.join("\n"));
}

#[rstest]
#[case::tenant_column_with_another_name(
    "CREATE TABLE fixture_notes (organization uuid REFERENCES tenants, id uuid, PRIMARY KEY (organization, id)); GRANT SELECT ON fixture_notes TO tenantry_app",
    "table fixture_notes: row-level security is not enabled and forced; add ALTER TABLE fixture_notes"
)]
#[case::table_of_tenant_table(
    "CREATE TABLE fixture_notes (owner uuid, role uuid, PRIMARY KEY (owner, role), FOREIGN KEY (owner, role) REFERENCES roles); GRANT INSERT ON fixture_notes TO tenantry_app",
    "table fixture_notes: row-level security is not enabled and forced"
)]
#[case::primary_key(
    "ALTER TABLE subscriptions DROP CONSTRAINT subscriptions_pkey, ADD PRIMARY KEY (id)",
    "table subscriptions: the primary key lacks tenant_id; begin it"
)]
#[case::foreign_key(
    "ALTER TABLE roles ADD UNIQUE (id); ALTER TABLE subscriptions ADD role uuid REFERENCES roles (id)",
    "table subscriptions: a foreign key refers to roles without the tenant; begin it with tenant_id"
)]
#[case::policy(
    "CREATE POLICY every_row ON roles FOR SELECT TO tenantry_app USING (true)",
    "table roles: the policy every_row is too wide; compare"
)]
#[case::policy_for_everyone(
    "CREATE POLICY every_row ON roles USING (tenant_id IS NOT NULL)",
    "table roles: the policy every_row"
)]
#[case::write_policy(
    "CREATE POLICY every_row ON roles TO tenantry_app USING (tenant_id = (SELECT scope_tenant_id())) WITH CHECK (true)",
    "table roles: the policy every_row"
)]
#[case::insert_policy(
    "CREATE POLICY every_row ON roles FOR INSERT TO tenantry_app WITH CHECK (true)",
    "table roles: the policy every_row"
)]
#[case::materialized_view(
    "CREATE MATERIALIZED VIEW fixture_notes AS TABLE roles; GRANT SELECT ON fixture_notes TO tenantry_app",
    "materialized view fixture_notes: row-level security does not apply"
)]
#[case::definer_function(
    "CREATE FUNCTION fixture_notes() RETURNS SETOF roles LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC SELECT * FROM roles; END",
    "function fixture_notes(): SECURITY DEFINER bypasses row-level security"
)]
#[case::truncate(
    "GRANT TRUNCATE ON roles TO tenantry_app",
    "table roles: TRUNCATE is granted to tenantry_app; grant only"
)]
#[case::granted_to_everyone("GRANT SELECT ON roles TO PUBLIC", "table roles: SELECT is granted to PUBLIC")]
#[tokio::test]
async fn wrong_access_is_reported(
    #[future(awt)] test_db: TestDb,
    #[case] mistake: &'static str,
    #[case] expected: &str,
) {
    test_db.execute(mistake).await;
    let mistakes = access_mistakes(&mut test_db.superuser().await).await;
    assert!(mistakes.len() == 1 && mistakes[0].starts_with(expected), "{mistakes:?} instead of {expected}");
}

#[rstest]
#[tokio::test]
async fn readable_table_without_tenant_is_accepted(#[future(awt)] test_db: TestDb) {
    test_db
        .execute(
            "CREATE TABLE fixture_currencies (code text PRIMARY KEY);
             ALTER TABLE fixture_currencies ENABLE ROW LEVEL SECURITY;
             ALTER TABLE fixture_currencies FORCE ROW LEVEL SECURITY;
             CREATE POLICY every_row ON fixture_currencies FOR SELECT TO tenantry_app USING (true);
             GRANT SELECT ON fixture_currencies TO tenantry_app;
             DROP TABLE _tenantry_access",
        )
        .await;
    // A migration run records the access that the start compares.
    DbServer::start(test_db.config(1)).await.unwrap().migrator().run().await.unwrap();
    open_db(test_db.config(1)).await.unwrap().close().await;
    assert_eq!(access_mistakes(&mut test_db.superuser().await).await, [""; 0]);
}

#[rstest]
#[tokio::test]
async fn self_row_policies_are_read_only(#[future(awt)] test_db: TestDb) {
    let mut superuser = test_db.superuser().await;
    let policies: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT tablename::text, policyname::text, cmd
         FROM pg_policies
         WHERE qual LIKE '%scope_user%' OR with_check LIKE '%scope_user%'",
    )
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    assert!(policies.len() >= 4, "the catalog query finds no policies");
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
        if !has_privilege(&mut superuser, &table, &column, "SELECT").await {
            // Accessible only to `tenantry_system`.
            continue;
        }
        let sql = format!("SELECT count(*), count(*) FILTER (WHERE {column} = $1) FROM {table}");
        let count = || sqlx::query_as::<_, (i64, i64)>(AssertSqlSafe(sql.as_str())).bind(scope.tenant().as_uuid());
        let (all_rows, own_rows) = count().fetch_one(&mut superuser).await.unwrap();
        assert!(own_rows > 0 && all_rows > own_rows, "{table}: the seed needs rows of two tenants");
        assert_eq!(
            count().fetch_one(tx.conn()).await.unwrap(),
            (own_rows, own_rows),
            "{table} shows other tenants' rows to the tenant in scope; correct its policy"
        );
        assert_eq!(
            count().fetch_one(unscoped.conn()).await.unwrap(),
            (0, 0),
            "{table} shows rows without a scope; correct its policy"
        );
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

/// Returns whether the application has the privilege on the table or, for an update, on the column, or, for an insert, on
/// any column.
async fn has_privilege(superuser: &mut PgConnection, table: &str, column: &str, privilege: &str) -> bool {
    let sql = match privilege {
        "UPDATE" => "SELECT has_column_privilege('tenantry_app', $1, $3, $2)",
        "INSERT" => "SELECT has_any_column_privilege('tenantry_app', $1, $2) AND $3 IS NOT NULL",
        _ => "SELECT has_table_privilege('tenantry_app', $1, $2) AND $3 IS NOT NULL",
    };
    sqlx::query_scalar(sql).bind(table).bind(privilege).bind(column).fetch_one(superuser).await.unwrap()
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
        let columns = insertable_columns(&mut superuser, &table).await;
        let copied: Vec<String> =
            columns.iter().map(|name| if *name == column { "$1".into() } else { name.clone() }).collect();
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
                Ok(result) => assert_eq!(
                    result.rows_affected(),
                    0,
                    "{statement}: changes another tenant's rows; correct the policy of {table}"
                ),
                Err(error) => {
                    let error = error.as_database_error().unwrap();
                    assert_eq!(error.code().unwrap(), "42501", "{statement}: {error}");
                    let granted = has_privilege(&mut superuser, &table, &column, privilege).await;
                    assert_eq!(error.message().contains("row-level security"), granted, "{statement}: {error}");
                }
            }
        }
        assert_eq!(contents(&mut superuser, &table).await, before, "{table}: another tenant's rows were changed");
    }
}

/// Returns the columns that the application may insert. If it may insert none, returns all.
async fn insertable_columns(superuser: &mut PgConnection, table: &str) -> Vec<String> {
    let names = sqlx::query_scalar(
        "SELECT attname::text
         FROM pg_attribute
         WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped
           AND (has_column_privilege('tenantry_app', attrelid, attnum, 'INSERT')
             OR NOT has_any_column_privilege('tenantry_app', attrelid, 'INSERT'))
         ORDER BY attnum",
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
