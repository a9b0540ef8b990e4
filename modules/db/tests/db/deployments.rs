//! Two deployments with databases on the same server. Roles belong to the server, so these tests try what one
//! deployment's logins can do in the other's database.

use std::{
    io,
    sync::{Arc, Mutex},
};

use db::{
    DatabaseUrl, DbConfig, DbDriver, DbServer, MigrateError, OpenError, PostgresConfig, RoleNames, SystemReason,
    open_db,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use test_support::OwnedDb;

/// SQLSTATE `insufficient_privilege`.
const DENIED: &str = "42501";

/// Migrates and seeds both. The owners keep `CREATEROLE` unless it lets them grant every role to themselves.
async fn deployments() -> [OwnedDb; 2] {
    let deployments = OwnedDb::deployments().await;
    for deployment in &deployments {
        migrate(deployment).await.unwrap();
        deployment.seed().await;
        if !is_16_or_newer(deployment).await {
            execute(deployment, format!("ALTER ROLE {} NOCREATEROLE", deployment.owner())).await;
        }
    }
    deployments
}

async fn migrate(deployment: &OwnedDb) -> Result<(), MigrateError> {
    DbServer::start(deployment.config()).await.unwrap().migrator().run().await.map(drop)
}

/// Executes statements as the superuser.
async fn execute(deployment: &OwnedDb, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut deployment.superuser().await).await.unwrap();
}

async fn is_16_or_newer(deployment: &OwnedDb) -> bool {
    let query = sqlx::query_scalar("SELECT current_setting('server_version_num')::int >= 160000");
    query.fetch_one(&mut deployment.superuser().await).await.unwrap()
}

fn code(error: &sqlx::Error) -> String {
    error.as_database_error().map(|error| error.code().unwrap().into_owned()).unwrap_or_else(|| error.to_string())
}

async fn assert_denied(connection: &mut PgConnection, sql: &str) {
    let error = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.err();
    assert_eq!(error.map(|error| code(&error)).as_deref(), Some(DENIED), "{sql}");
}

/// Returns both roles, so that both are tried.
fn quoted(roles: &RoleNames) -> [String; 2] {
    [roles.app(), roles.system()].map(|role| format!("\"{role}\""))
}

async fn tables(owned: &OwnedDb) -> Vec<String> {
    let query = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";
    sqlx::query_scalar(query).fetch_all(&mut owned.superuser().await).await.unwrap()
}

#[tokio::test]
async fn deployments_work_side_by_side() {
    for deployment in deployments().await {
        let db = open_db(deployment.config()).await.unwrap();
        let mut tx = db.system().begin(SystemReason::Seed).await.unwrap();
        let query = "SELECT count(*), current_user::text FROM tenants GROUP BY 2";
        let (tenants, role): (i64, String) = sqlx::query_as(query).fetch_one(tx.conn()).await.unwrap();
        assert!(tenants > 1 && role == deployment.roles().system(), "{tenants} {role}");
        drop(tx);
        db.close().await;
    }
}

/// The login for backups sees the rows of every database to which it can connect.
#[tokio::test]
async fn login_cannot_access_other_deployment() {
    let deployments = deployments().await;
    let [first, second] = &deployments;
    for (attacker, target) in [(first, second), (second, first)] {
        let backup = attacker.create_backup_login("BYPASSRLS IN ROLE pg_read_all_data").await;
        let [application, owner] = attacker.urls();
        for own in [application, owner, backup] {
            let mut connection = PgConnection::connect(&own).await.unwrap();
            for role in quoted(target.roles()) {
                assert_denied(&mut connection, &format!("SET ROLE {role}")).await;
                assert_denied(&mut connection, &format!("GRANT {role} TO {}", attacker.application())).await;
            }
            let to_target = own.replace(attacker.name(), target.name());
            assert_ne!(to_target, own);
            let error = PgConnection::connect(&to_target).await.err();
            assert_eq!(error.map(|error| code(&error)).as_deref(), Some(DENIED), "{to_target}");
        }
        // Its grant would prevent the next deployment from creating it.
        execute(attacker, "DROP OWNED BY tenantry_test_backup".to_owned()).await;
    }
}

/// The second line of defense: CONNECT was granted by mistake.
#[tokio::test]
async fn connected_login_cannot_read_other_deployment() {
    let deployments = deployments().await;
    let [first, second] = &deployments;
    for (attacker, target) in [(first, second), (second, first)] {
        let logins = format!("{}, {}", attacker.application(), attacker.owner());
        execute(target, format!("GRANT CONNECT ON DATABASE {} TO {logins}", target.name())).await;
        for url in attacker.urls_to(target) {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            for role in quoted(target.roles()) {
                assert_denied(&mut connection, &format!("SET ROLE {role}")).await;
            }
            assert_denied(&mut connection, "CREATE TEMPORARY TABLE t ()").await;
            // As the login, and as the roles it may assume.
            for role in [None].into_iter().chain(quoted(attacker.roles()).map(Some)) {
                let set_role = role.map_or("RESET ROLE".into(), |role| format!("SET ROLE {role}"));
                sqlx::raw_sql(AssertSqlSafe(set_role)).execute(&mut connection).await.unwrap();
                let tables = tables(target).await;
                assert!(tables.len() > 8, "the catalog query finds no tables: {tables:?}");
                for table in tables {
                    assert_denied(&mut connection, &format!("SELECT FROM {table}")).await;
                    assert_denied(&mut connection, &format!("DELETE FROM {table}")).await;
                }
            }
        }
    }
}

/// The application role may not inherit from another one either.
#[tokio::test]
async fn added_role_membership_is_rejected() {
    let [deployment, _other] = deployments().await;
    let [app, _] = quoted(deployment.roles());
    execute(&deployment, format!("GRANT pg_read_all_data TO {app}")).await;
    let error = open_db(deployment.config()).await.unwrap_err();
    let expected = format!("unexpected `GRANT pg_read_all_data TO {app}`");
    assert!(matches!(error, OpenError::AccessChanged(_)) && error.to_string().contains(&expected), "{error}");
}

#[tokio::test]
async fn public_database_is_rejected_in_production() {
    let [deployment, _other] = deployments().await;
    let name = deployment.name();
    for privilege in ["CONNECT", "TEMPORARY"] {
        execute(&deployment, format!("GRANT {privilege} ON DATABASE {name} TO PUBLIC")).await;
        let error = open_db(deployment.config()).await.unwrap_err();
        let statement = format!("`REVOKE CONNECT, TEMPORARY ON DATABASE {name} FROM PUBLIC`");
        assert!(error.to_string().ends_with(&statement), "{error}");
        open_db(DbConfig { production: false, ..deployment.config() }).await.unwrap().close().await;
        migrate(&deployment).await.unwrap();
        open_db(deployment.config()).await.unwrap().close().await;
    }
}

/// A deployment that is configured with the other's database.
#[tokio::test]
async fn program_rejects_database_of_other_deployment() {
    let deployments = deployments().await;
    let [first, second] = &deployments;
    let [application, _] = first.urls_to(second);
    let url = DatabaseUrl::parse(&application).unwrap();
    let driver = DbDriver::Postgres(PostgresConfig {
        url,
        migration_url: None,
        backup_url: None,
        roles: second.roles().clone(),
    });
    let error = open_db(DbConfig { driver, ..first.config() }).await.unwrap_err();
    assert!(error.to_string().contains("permission denied for database"), "{error}");
}

/// From PostgreSQL 16 on, CREATEROLE doesn't help the second owner either.
#[tokio::test]
async fn owner_cannot_use_roles_of_other_deployment() {
    let [first, second] = OwnedDb::deployments().await;
    migrate(&first).await.unwrap();
    let attributes =
        if is_16_or_newer(&second).await { &["CREATEROLE", "NOCREATEROLE"][..] } else { &["NOCREATEROLE"] };
    for attribute in attributes {
        execute(&second, format!("ALTER ROLE {} {attribute}", second.owner())).await;
        let [application, owner] = second.urls();
        let mut connection = PgConnection::connect(&owner).await.unwrap();
        for role in quoted(first.roles()) {
            for statement in ["ALTER ROLE {} BYPASSRLS", "DROP ROLE {}", "SET ROLE {}"] {
                assert_denied(&mut connection, &statement.replace("{}", &role)).await;
            }
        }
        let [url, owner] = [application, owner].map(|url| DatabaseUrl::parse(&url).unwrap());
        let postgres =
            PostgresConfig { url, migration_url: Some(owner), backup_url: None, roles: first.roles().clone() };
        let config = DbConfig { driver: DbDriver::Postgres(postgres), ..second.config() };
        let error = DbServer::start(config).await.unwrap().migrator().run().await.unwrap_err();
        assert!(matches!(&error, MigrateError::RoleAdminOption { .. }), "{attribute}: {error:?}");
        let message = error.to_string();
        assert!(message.contains("WITH ADMIN OPTION") && message.contains("DB_ROLE_PREFIX"), "{message}");
    }
    let error = migrate(&second).await.unwrap_err();
    assert!(matches!(&error, MigrateError::Roles { login, .. } if login == second.application()), "{error:?}");
    assert!(error.to_string().contains("CREATEROLE"), "{error}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Before PostgreSQL 16, the owner can grant itself the other deployment's roles.
#[tokio::test]
async fn owner_with_createrole_is_logged() {
    let [deployment, _other] = OwnedDb::deployments().await;
    let revoke = format!("ALTER ROLE {} NOCREATEROLE", deployment.owner());
    let is_affected = !is_16_or_newer(&deployment).await;
    for expected in [usize::from(is_affected), 0] {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let guard = tracing::subscriber::set_default(subscriber);
        migrate(&deployment).await.unwrap();
        drop(guard);
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(log.matches(&revoke).count(), expected, "{log}");
        execute(&deployment, revoke.clone()).await;
    }
}
