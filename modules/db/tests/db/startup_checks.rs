//! Errors when opening a database.

use std::time::Duration;

use db::{DatabaseUrl, DbConfig, DbDriver, DbError, DbServer, OpenError, PostgresConfig, Readiness, open_db};
use rstest::rstest;
use shaku::HasComponent;
use test_support::{Logins, OwnedDb, TempDb, TestDb, role_names, test_db};

fn external_config(url: &str) -> DbConfig {
    DbConfig {
        driver: DbDriver::Postgres(PostgresConfig {
            url: DatabaseUrl::parse(url).unwrap(),
            migration_url: None,
            backup_url: None,
            roles: role_names(),
        }),
        pool_size: 1,
        connect_timeout: Duration::from_millis(300),
        production: false,
        migrate_on_start: false,
    }
}

#[rstest]
#[case::unreachable(false)]
#[case::silent(true)]
#[tokio::test]
async fn server_without_response_times_out(#[case] accepts_connections: bool) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let _silent = accepts_connections.then_some(listener);
    let error = open_db(external_config(&format!("postgres://user:hunter2@127.0.0.1:{port}/db"))).await.unwrap_err();
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error:?}");
    let message = error.to_string();
    assert!(
        message.contains(&format!("127.0.0.1:{port}")) && !message.contains("hunter2") && !message.contains('\n'),
        "{message}"
    );
}

#[tokio::test]
async fn unmigrated_database_error_names_command() {
    let empty = TempDb::empty().await;
    let error = open_db(empty.config(2)).await.unwrap_err();
    assert!(matches!(error, OpenError::SchemaNotCurrent { .. }), "{error:?}");
    assert!(error.to_string().contains("tenantry migrate run"), "{error}");
}

/// Returns the configuration of an embedded server in this directory.
#[cfg(feature = "embedded")]
pub(crate) fn embedded_config(dir: &std::path::Path) -> DbConfig {
    let driver = DbDriver::Embedded(Box::new(db::EmbeddedConfig {
        root: dir.join("data"),
        bin_dir: None,
        search_path: test_support::search_path(),
        download: None,
        durable: false,
    }));
    DbConfig { driver, ..external_config("postgres://unused") }
}

/// The roles don't exist on this server either.
#[cfg(feature = "embedded")]
#[tokio::test]
async fn missing_roles_error_names_command() {
    let dir = tempfile::tempdir().unwrap();
    let error = open_db(embedded_config(dir.path())).await.unwrap_err();
    assert!(matches!(&error, OpenError::SchemaNotCurrent { detail, .. } if detail.contains("migrated")), "{error:?}");
}

#[rstest]
#[case::app_role("REVOKE tenantry_app FROM tenantry_test_login", "granted")]
#[case::system_role("REVOKE tenantry_system FROM tenantry_test_login", "granted")]
#[case::interrupted_migration_run("REVOKE SELECT ON _sqlx_migrations FROM tenantry_app", "migrated")]
#[tokio::test]
async fn missing_privilege_error_names_fix(#[case] revoke: &'static str, #[case] reason: &str) {
    let owned = OwnedDb::new(Logins::Separate).await;
    let migrator = DbServer::start(owned.config()).await.unwrap().migrator();
    migrator.run().await.unwrap();
    open_db(owned.config()).await.unwrap().close().await;
    sqlx::raw_sql(revoke).execute(&mut owned.superuser().await).await.unwrap();
    let error = open_db(owned.config()).await.unwrap_err();
    assert!(matches!(&error, OpenError::SchemaNotCurrent { detail, .. } if detail.contains(reason)), "{error:?}");
    assert!(error.to_string().contains("tenantry migrate run"), "{error}");
}

#[rstest]
#[tokio::test]
async fn outdated_schema_fails_start_and_readiness(#[future(awt)] test_db: TestDb) {
    let readiness: std::sync::Arc<dyn Readiness> = test_db.db.module().resolve();
    readiness.ready().await.unwrap();
    test_db.execute("DELETE FROM _sqlx_migrations WHERE version = 5").await;
    assert!(matches!(readiness.ready().await, Err(DbError::SchemaNotCurrent)));
    let error = open_db(test_db.config(1)).await.unwrap_err();
    assert!(error.to_string().ends_with("(migrations: 1 pending); run `tenantry migrate run`"), "{error}");
}

#[rstest]
#[case::newer(
    "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, '', true, '', 0)",
    "1 applied by a newer version of the program); run the version of the program"
)]
#[case::changed(
    "UPDATE _sqlx_migrations SET checksum = '' WHERE version = 5",
    "1 changed since they were applied); run the version"
)]
#[tokio::test]
async fn unknown_schema_error_names_version(
    #[future(awt)] test_db: TestDb,
    #[case] change: &'static str,
    #[case] expected: &str,
) {
    test_db.execute(change).await;
    let error = open_db(test_db.config(1)).await.unwrap_err().to_string();
    assert!(error.contains(expected) && !error.contains("migrate run"), "{error}");
}

#[rstest]
#[tokio::test]
async fn production_rejects_superuser(#[future(awt)] test_db: TestDb) {
    let error = open_db(DbConfig { production: true, ..test_db.config(1) }).await.unwrap_err();
    assert!(matches!(error, OpenError::Superuser), "{error:?}");
}

#[rstest]
#[tokio::test]
async fn table_owning_app_role_is_rejected(#[future(awt)] test_db: TestDb) {
    test_db.execute("CREATE TABLE app_owned (); ALTER TABLE app_owned OWNER TO tenantry_app").await;
    let error = open_db(test_db.config(1)).await.unwrap_err();
    assert!(matches!(error, OpenError::RlsBypassed { .. }), "{error:?}");
}

/// Each is also an error of `migrate run` and `migrate revert`, which would otherwise record the change as migrated.
#[rstest]
#[case::rls_disabled(
    "ALTER TABLE roles DISABLE ROW LEVEL SECURITY",
    "missing `ALTER TABLE roles ENABLE ROW LEVEL SECURITY`"
)]
#[case::rls_not_forced(
    "ALTER TABLE memberships NO FORCE ROW LEVEL SECURITY",
    "missing `ALTER TABLE memberships FORCE ROW LEVEL SECURITY`"
)]
#[case::policy_dropped("DROP POLICY tenant ON invitations", "missing `CREATE POLICY tenant ON invitations ")]
#[case::policy_added(
    "CREATE POLICY every_row ON tenants TO tenantry_app USING (true)",
    "unexpected `CREATE POLICY every_row ON tenants "
)]
#[case::policy_changed("ALTER POLICY tenant ON policies USING (true)", "unexpected `CREATE POLICY tenant ON policies ")]
#[case::policy_widened(
    "ALTER POLICY tenant ON policies USING (tenant_id = (SELECT scope_tenant_id()) OR tenant_id IS NOT NULL)",
    "unexpected `CREATE POLICY tenant ON policies "
)]
#[case::view_of_owner(
    "ALTER VIEW user_profiles RESET (security_invoker)",
    "missing `ALTER VIEW user_profiles SET (security_invoker=true)`"
)]
#[case::trigger_disabled(
    "ALTER TABLE policies DISABLE TRIGGER policies_updated",
    "missing `ALTER TABLE policies ENABLE TRIGGER policies_updated`"
)]
#[case::trigger_replaced(
    "CREATE OR REPLACE TRIGGER immutable BEFORE TRUNCATE ON audit_events EXECUTE FUNCTION reject_audit_change()",
    "missing `CREATE TRIGGER immutable ON audit_events of type "
)]
#[case::function_replaced(
    "CREATE OR REPLACE FUNCTION scope_tenant_id() RETURNS uuid LANGUAGE sql STABLE RETURN gen_random_uuid()",
    "missing `CREATE FUNCTION scope_tenant_id() SECURITY INVOKER "
)]
#[case::definer_function_added(
    "CREATE FUNCTION any_email() RETURNS text LANGUAGE sql SECURITY DEFINER RETURN (SELECT email FROM users LIMIT 1)",
    "unexpected `CREATE FUNCTION any_email() SECURITY DEFINER "
)]
#[case::granted("GRANT DELETE ON users TO tenantry_app", r#"unexpected `GRANT DELETE ON users TO "tenantry_app"`"#)]
#[case::column_granted(
    "GRANT UPDATE (email) ON users TO tenantry_app",
    "unexpected `GRANT UPDATE (email) ON users TO "
)]
#[case::granted_to_public("GRANT SELECT ON auth_credentials TO PUBLIC", "GRANT SELECT ON auth_credentials TO PUBLIC`")]
#[case::schema_granted(
    "GRANT CREATE ON SCHEMA public TO PUBLIC",
    "unexpected `GRANT CREATE ON SCHEMA public TO PUBLIC`"
)]
#[case::revoked("REVOKE INSERT ON roles FROM tenantry_app", r#"missing `GRANT INSERT ON roles TO "tenantry_app"`"#)]
#[case::table_copied(
    "CREATE TABLE copied AS TABLE memberships",
    "missing `ALTER TABLE copied ENABLE ROW LEVEL SECURITY`"
)]
#[tokio::test]
async fn changed_access_is_rejected(
    #[future(awt)] test_db: TestDb,
    #[case] change: &'static str,
    #[case] expected: &str,
) {
    test_db.execute(change).await;
    let error = open_db(test_db.config(1)).await.unwrap_err();
    assert!(matches!(error, OpenError::AccessChanged(_)), "{error:?}");
    let message = error.to_string();
    assert!(message.contains(expected) && !message.contains('\n'), "{message}");
    let migrator = DbServer::start(test_db.config(1)).await.unwrap().migrator();
    assert_eq!(migrator.run().await.unwrap_err().to_string(), message);
    assert_eq!(migrator.revert(1).await.unwrap_err().to_string(), message);
}

/// What a migration has created and recorded. The test fixtures open the database, so all tests fail then.
#[rstest]
#[case::tenant_column_with_another_name(
    "CREATE TABLE fixture_notes (organization uuid REFERENCES tenants); GRANT SELECT ON fixture_notes TO tenantry_system",
    "missing `ALTER TABLE fixture_notes ENABLE ROW LEVEL SECURITY`, missing `ALTER TABLE fixture_notes FORCE ROW LEVEL SECURITY`;"
)]
#[case::tenant_column_without_foreign_key(
    "CREATE TABLE fixture_notes (organization uuid); GRANT SELECT (organization) ON fixture_notes TO tenantry_app",
    "missing `ALTER TABLE fixture_notes ENABLE ROW LEVEL SECURITY`, "
)]
#[case::table_of_everyone(
    "CREATE TABLE fixture_notes (organization uuid); GRANT DELETE ON fixture_notes TO PUBLIC",
    "missing `ALTER TABLE fixture_notes ENABLE ROW LEVEL SECURITY`, "
)]
#[case::partition(
    "CREATE TABLE fixture_notes (tenant_id uuid) PARTITION BY LIST (tenant_id);
     ALTER TABLE fixture_notes ENABLE ROW LEVEL SECURITY; ALTER TABLE fixture_notes FORCE ROW LEVEL SECURITY;
     CREATE TABLE fixture_notes_1 PARTITION OF fixture_notes DEFAULT",
    "missing `ALTER TABLE fixture_notes_1 ENABLE ROW LEVEL SECURITY`, "
)]
#[case::view_of_owner(
    "CREATE VIEW fixture_notes AS SELECT * FROM memberships; GRANT SELECT ON fixture_notes TO tenantry_app",
    "missing `ALTER VIEW fixture_notes SET (security_invoker=true)`;"
)]
#[tokio::test]
async fn unprotected_migration_is_rejected(
    #[future(awt)] test_db: TestDb,
    #[case] migration: &'static str,
    #[case] expected: &str,
) {
    test_db.execute(migration).await;
    test_db.execute("DROP TABLE _tenantry_access").await;
    DbServer::start(test_db.config(1)).await.unwrap().migrator().run().await.unwrap();
    let error = open_db(test_db.config(1)).await.unwrap_err().to_string();
    assert!(error.contains(expected) && !error.contains("unexpected `"), "{error}");
}

/// PostgreSQL stores the value as it was written.
#[rstest]
#[tokio::test]
async fn view_with_other_spelling_is_accepted(#[future(awt)] test_db: TestDb) {
    let migration = "CREATE VIEW fixture_profiles WITH (security_invoker = on) AS SELECT id FROM users;
         GRANT SELECT ON fixture_profiles TO tenantry_app;
         DROP TABLE _tenantry_access";
    test_db.execute(migration).await;
    DbServer::start(test_db.config(1)).await.unwrap().migrator().run().await.unwrap();
    open_db(test_db.config(1)).await.unwrap().close().await;
}

/// An administrator may install one, even if it grants privileges on its views to PUBLIC.
#[rstest]
#[tokio::test]
async fn extension_is_accepted(#[future(awt)] test_db: TestDb) {
    test_db
        .execute("CREATE EXTENSION pg_stat_statements; CREATE FUNCTION one() RETURNS int LANGUAGE sql RETURN 1")
        .await;
    open_db(test_db.config(1)).await.unwrap().close().await;
}

/// A run that was killed after a migration and before it recorded the access is repeated.
#[rstest]
#[tokio::test]
async fn interrupted_run_is_repeated(#[future(awt)] test_db: TestDb) {
    for incomplete in [
        "DELETE FROM _tenantry_access WHERE entry = 'migration 5' OR entry LIKE '%subscriptions%'",
        // What troubleshooting.md advises after an upgrade of PostgreSQL.
        "DROP TABLE _tenantry_access",
    ] {
        test_db.execute(incomplete).await;
        let error = open_db(test_db.config(1)).await.unwrap_err().to_string();
        assert!(error.contains("interrupted") && error.contains("tenantry migrate run"), "{error}");
        DbServer::start(test_db.config(1)).await.unwrap().migrator().run().await.unwrap();
        open_db(test_db.config(1)).await.unwrap().close().await;
    }
}

#[rstest]
#[tokio::test]
async fn missing_database_is_named(#[future(awt)] test_db: TestDb) {
    let url = test_db.url();
    let (before, query) = url.split_once('?').unwrap_or((&url, ""));
    let missing = format!("{}/no_such_database?{query}", before.rsplit_once('/').unwrap().0);
    let error = open_db(external_config(&missing)).await.unwrap_err();
    assert!(
        matches!(&error, OpenError::LoginRejected { reason, .. } if reason.contains("no_such_database")),
        "{error:?}"
    );
}
