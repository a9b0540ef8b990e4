//! The migration runner.

use std::time::Duration;

use db::{
    DatabaseUrl, DbConfig, DbDriver, DbServer, MIGRATIONS, MigrateError, MigrationState, MigrationStatus, Migrator,
    PostgresConfig, RoleNames,
};
use rstest::rstest;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use test_support::{Logins, OwnedDb, TempDb, TestDb, role_names, test_db};

/// Returns a textual description of every object in the schema.
async fn schema(superuser: &mut PgConnection) -> Vec<String> {
    let parts = [
        "SELECT 'column ' || table_name || '.' || column_name || ' ' || udt_name || ' ' || is_nullable || coalesce(' ' || column_default, '')
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT IN ('_sqlx_migrations', '_tenantry_access')",
        "SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT IN ('_sqlx_migrations', '_tenantry_access')",
        "SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
         FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT IN ('_sqlx_migrations', '_tenantry_access')",
        "SELECT 'policy ' || tablename || ' ' || policyname || ' ' || cmd || ' ' || roles::text || coalesce(qual, '') || coalesce(with_check, '')
         FROM pg_policies",
        "SELECT 'function ' || pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
        "SELECT 'type ' || typname || ' ' || coalesce((SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid), '')
         FROM pg_type AS t WHERE typnamespace = 'public'::regnamespace AND typname !~ '_(sqlx_migrations|tenantry_access)$'",
        "SELECT 'grant ' || table_name || ' ' || grantee || ' ' || privilege_type FROM information_schema.role_table_grants
         WHERE table_schema = 'public' AND table_name NOT IN ('_sqlx_migrations', '_tenantry_access')",
        "SELECT 'acl ' || coalesce(nspacl::text, '') FROM pg_namespace WHERE nspname = 'public'",
    ];
    let mut all = Vec::new();
    for part in parts {
        let rows = sqlx::query(AssertSqlSafe(part)).fetch_all(&mut *superuser).await.unwrap();
        all.extend(rows.iter().map(|row| row.get::<String, _>(0)));
    }
    all.sort();
    all
}

fn states(status: &[MigrationStatus]) -> Vec<MigrationState> {
    status.iter().map(|s| s.state).collect()
}

fn versions(status: &[MigrationStatus]) -> Vec<i64> {
    status.iter().map(|s| s.version).collect()
}

/// Returns the number of migrations of the program.
fn migration_count() -> usize {
    MIGRATIONS.iter().filter(|m| !m.migration_type.is_down_migration()).count()
}

async fn empty_server() -> (TempDb, DbServer) {
    let empty = TempDb::empty().await;
    let server = DbServer::start(empty.config(2)).await.unwrap();
    (empty, server)
}

#[tokio::test]
async fn up_down_up_is_identity() {
    let (empty, server) = empty_server().await;
    let migrator = server.migrator();
    let mut superuser = empty.superuser().await;
    let empty_schema = schema(&mut superuser).await;

    let applied = migrator.run().await.unwrap();
    let names: Vec<String> = applied.iter().map(|s| format!("{:04}_{}", s.version, s.name)).collect();
    assert_eq!(names[..3], ["0001_kernel", "0002_user", "0003_auth"]);
    assert_eq!(names.len(), migration_count());
    let full_schema = schema(&mut superuser).await;
    assert!(full_schema.len() > empty_schema.len() + 50, "{full_schema:#?}");

    let reverted = migrator.revert(usize::MAX).await.unwrap();
    assert_eq!(reverted.iter().rev().map(|s| s.version).collect::<Vec<_>>(), versions(&applied));
    let remaining: Vec<String> =
        schema(&mut superuser).await.into_iter().filter(|part| !part.starts_with("acl ")).collect();
    let initial: Vec<String> = empty_schema.into_iter().filter(|part| !part.starts_with("acl ")).collect();
    assert_eq!(remaining, initial);

    migrator.run().await.unwrap();
    assert_eq!(schema(&mut superuser).await, full_schema);
}

#[tokio::test]
async fn dry_run_changes_nothing() {
    let (empty, server) = empty_server().await;
    let migrator = server.migrator();
    let mut superuser = empty.superuser().await;
    let empty_schema = schema(&mut superuser).await;
    let planned = migrator.plan().await.unwrap();
    assert_eq!(schema(&mut superuser).await, empty_schema);
    assert_eq!(migrator.run().await.unwrap(), planned);
    assert_eq!(planned.len(), migration_count());
    assert_eq!(migrator.plan().await.unwrap(), []);
}

#[tokio::test]
async fn revert_undoes_one_migration() {
    let (_empty, server) = empty_server().await;
    let migrator = server.migrator();
    let (all, last) = (migration_count(), MIGRATIONS.iter().map(|migration| migration.version).max().unwrap());
    assert_eq!(states(&migrator.status().await.unwrap()), vec![MigrationState::Pending; all]);
    migrator.run().await.unwrap();
    assert_eq!(states(&migrator.status().await.unwrap()), vec![MigrationState::Applied; all]);
    assert_eq!(migrator.run().await.unwrap(), []);

    assert_eq!(versions(&migrator.revert(1).await.unwrap()), [last]);
    let mut all_but_one = vec![MigrationState::Applied; all - 1];
    all_but_one.push(MigrationState::Pending);
    assert_eq!(states(&migrator.status().await.unwrap()), all_but_one);
    assert_eq!(versions(&migrator.run().await.unwrap()), [last]);
    assert_eq!(migrator.revert(0).await.unwrap(), []);
}

#[tokio::test]
async fn concurrent_runners_apply_once() {
    let (_empty, server) = empty_server().await;
    let runs = (0..4).map(|_| {
        let migrator = server.migrator();
        tokio::spawn(async move { migrator.run().await.unwrap().len() })
    });
    let mut applied = 0;
    for run in runs.collect::<Vec<_>>() {
        applied += run.await.unwrap();
    }
    assert_eq!(applied, migration_count());
}

#[tokio::test]
async fn lock_wait_times_out() {
    let (empty, server) = empty_server().await;
    let mut other = PgConnection::connect(&empty.url()).await.unwrap();
    sqlx::query("SELECT pg_advisory_lock(8368268)").execute(&mut other).await.unwrap();
    let migrator = || server.migrator().with_lock_timeout(Duration::from_secs(1));
    for error in [migrator().run().await.unwrap_err(), migrator().revert(1).await.unwrap_err()] {
        assert!(error.to_string().contains("for over 1 s; wait for it and try again"), "{error}");
    }
    assert!(migrator().status().await.unwrap().iter().all(|migration| migration.state == MigrationState::Pending));
    other.close().await.unwrap();
    assert_eq!(migrator().run().await.unwrap().len(), migration_count());
}

#[rstest]
#[tokio::test]
async fn changed_checksum_is_rejected(#[future(awt)] test_db: TestDb) {
    test_db.execute("UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 3").await;
    let migrator = DbServer::start(test_db.config(1)).await.unwrap().migrator();
    for error in [migrator.run().await.unwrap_err(), migrator.revert(1).await.unwrap_err()] {
        assert!(matches!(&error, MigrateError::History(reason) if reason.contains("0003")), "{error}");
    }
    assert_eq!(migrator.status().await.unwrap()[2].state, MigrationState::Changed);
}

#[rstest]
#[tokio::test]
async fn unknown_migration_is_rejected(#[future(awt)] test_db: TestDb) {
    test_db.execute("INSERT INTO _sqlx_migrations VALUES (9999, 'future', now(), true, '\\x00', 0)").await;
    let migrator = DbServer::start(test_db.config(1)).await.unwrap().migrator();
    let error = migrator.run().await.unwrap_err();
    assert!(matches!(&error, MigrateError::History(reason) if reason.contains("9999")), "{error}");
    assert_eq!(migrator.status().await.unwrap().last().unwrap().state, MigrationState::Unknown);
}

#[tokio::test]
async fn non_owner_login_is_rejected() {
    let owned = OwnedDb::new(Logins::Separate).await;
    DbServer::start(owned.config()).await.unwrap().migrator().run().await.unwrap();
    let [application, _] = owned.urls().map(|url| DatabaseUrl::parse(&url).unwrap());
    let driver = DbDriver::Postgres(PostgresConfig {
        url: application,
        migration_url: None,
        backup_url: None,
        roles: owned.roles().clone(),
    });
    let migrator = DbServer::start(DbConfig { driver, ..owned.config() }).await.unwrap().migrator();
    let errors = [
        migrator.status().await.unwrap_err(),
        migrator.plan().await.unwrap_err(),
        migrator.run().await.unwrap_err(),
        migrator.revert(1).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, MigrateError::NotOwner), "{error:?}");
    }
}

#[tokio::test]
async fn missing_admin_option_error_names_grant() {
    let owned = OwnedDb::new(Logins::Separate).await;
    let mut superuser = owned.superuser().await;
    let before = schema(&mut superuser).await;
    sqlx::query("REVOKE tenantry_system FROM tenantry_test_owner").execute(&mut superuser).await.unwrap();
    let error = DbServer::start(owned.config()).await.unwrap().migrator().run().await.unwrap_err();
    assert!(matches!(&error, MigrateError::RoleAdminOption { .. }), "{error:?}");
    let grant = r#"`GRANT "tenantry_app", "tenantry_system" TO "tenantry_test_owner" WITH ADMIN OPTION`"#;
    assert!(error.to_string().contains(grant), "{error}");
    assert_eq!(schema(&mut superuser).await, before);
}

/// Happens when `DB_ROLE_PREFIX` changes, or when it is unset and the database is renamed.
#[rstest]
#[tokio::test]
async fn roles_of_other_name_are_rejected(#[future(awt)] test_db: TestDb) {
    let url = DatabaseUrl::parse(&test_db.url()).unwrap();
    let roles = RoleNames::new("tenantry_renamed").unwrap();
    let driver = DbDriver::Postgres(PostgresConfig { url, migration_url: None, backup_url: None, roles });
    let migrator = DbServer::start(DbConfig { driver, ..test_db.config(1) }).await.unwrap().migrator();
    let error = migrator.run().await.unwrap_err();
    assert!(matches!(error, MigrateError::RolesMissing { .. }), "{error:?}");
    assert!(
        error.to_string().contains("tenantry_renamed_app doesn't exist")
            && error.to_string().contains("DB_ROLE_PREFIX")
    );
}

/// The migration succeeds and logs the statements that the owner of the database must execute.
#[tokio::test]
async fn migration_without_database_ownership_succeeds() {
    let owned = OwnedDb::new(Logins::Separate).await;
    let mut superuser = owned.superuser().await;
    let setup = format!(
        "ALTER DATABASE {} OWNER TO CURRENT_USER; GRANT CREATE ON SCHEMA public TO tenantry_test_owner",
        owned.name()
    );
    sqlx::raw_sql(AssertSqlSafe(setup)).execute(&mut superuser).await.unwrap();
    DbServer::start(owned.config()).await.unwrap().migrator().run().await.unwrap();
    let acl = "SELECT has_database_privilege('public', current_database(), 'CONNECT')";
    assert!(sqlx::query_scalar::<_, bool>(acl).fetch_one(&mut superuser).await.unwrap());
}

/// Creates an ordinary login, as used in production. Returns its name and the statements that drop it.
async fn create_login(db: &TestDb, name: &str) -> (String, String) {
    let login = format!("{name}_{}", std::process::id());
    db.execute(&format!("CREATE ROLE {login} LOGIN")).await;
    // The runner lets the login connect to the database.
    let drop_role = format!("DROP OWNED BY {login}; DROP ROLE {login}");
    (login, drop_role)
}

/// Returns a migration runner, as the superuser, for an application with this login.
async fn migrator_for(db: &TestDb, login: &str) -> Migrator {
    let [url, owner] = [&with_login(&db.url(), login), &db.url()].map(|url| DatabaseUrl::parse(url).unwrap());
    let driver =
        DbDriver::Postgres(PostgresConfig { url, migration_url: Some(owner), backup_url: None, roles: role_names() });
    DbServer::start(DbConfig { driver, ..db.config(1) }).await.unwrap().migrator()
}

/// Replaces the login in a URL. Nothing connects with it.
fn with_login(url: &str, login: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{login}@{host}")
}

#[rstest]
#[tokio::test]
async fn tenantry_system_is_not_inherited(#[future(awt)] test_db: TestDb) {
    let mut superuser = test_db.superuser().await;
    let (login, drop_role) = create_login(&test_db, "login").await;
    migrator_for(&test_db, &login).await.run().await.unwrap();

    let granted = "SELECT pg_has_role($1, 'tenantry_app', 'MEMBER'), pg_has_role($1, 'tenantry_system', 'MEMBER'),
           pg_has_role($1, 'tenantry_system', 'USAGE')";
    let granted: (bool, bool, bool) = sqlx::query_as(granted).bind(&login).fetch_one(&mut superuser).await.unwrap();
    test_db.execute(&drop_role).await;
    assert_eq!(
        granted,
        (true, true, false),
        "member of tenantry_app, member of tenantry_system, inherits tenantry_system"
    );
}

#[rstest]
#[tokio::test]
async fn diverged_history_grants_no_roles(#[future(awt)] test_db: TestDb) {
    let mut superuser = test_db.superuser().await;
    let (login, drop_role) = create_login(&test_db, "late").await;
    test_db.execute("UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 3").await;
    let result = migrator_for(&test_db, &login).await.run().await;
    let roles = "SELECT count(*) FROM pg_auth_members WHERE member = to_regrole($1)";
    let granted: i64 = sqlx::query_scalar(roles).bind(&login).fetch_one(&mut superuser).await.unwrap();
    test_db.execute(&drop_role).await;
    assert!(matches!(result, Err(MigrateError::History(_))), "{result:?}");
    assert_eq!(granted, 0);
}

/// Simulates a concurrent migration run that alters the same login, as runners do before PostgreSQL 16. A runner that
/// waits for the change gets an error and tries again.
#[rstest]
#[tokio::test]
async fn concurrent_role_setup_is_retried(#[future(awt)] test_db: TestDb) {
    let mut superuser = test_db.superuser().await;
    let (login, drop_role) = create_login(&test_db, "raced").await;
    let migrator = migrator_for(&test_db, &login).await;
    let mut other = superuser.begin().await.unwrap();
    let alter_role = AssertSqlSafe(format!("ALTER ROLE {login} CONNECTION LIMIT 5"));
    sqlx::raw_sql(alter_role).execute(&mut *other).await.unwrap();
    let run = tokio::spawn(async move { migrator.run().await });
    let sql = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND transactionid = pg_current_xact_id()::xid)";
    while !run.is_finished() && !sqlx::query_scalar::<_, bool>(sql).fetch_one(&mut *other).await.unwrap() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    other.commit().await.unwrap();
    let outcome = run.await.unwrap();
    test_db.execute(&drop_role).await;
    assert_eq!(outcome.unwrap(), []);
}
