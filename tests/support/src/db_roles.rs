//! Login roles without superuser rights, as in production: the database owner and the application.
#![expect(clippy::disallowed_methods, reason = "creates roles by name")]

use std::time::Duration;

use db::{DatabaseUrl, DbConfig, DbDriver, PostgresConfig, RoleNames, open_db};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::{
    server::{APP_LOGIN, BACKUP_LOGIN, OTHER_APP_LOGIN, OTHER_OWNER_LOGIN, OWNER_LOGIN, TEST_LOGINS, TestServer},
    template_db::{TempDb, execute, maintenance_connection, migrated_template, role_names},
};

/// Roles belong to the server, so only one test at a time uses these.
const LOGINS_LOCK: i64 = 8_368_270;

/// Whether the owner and the application share a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logins {
    /// One login each.
    Separate,
    /// The application logs in as the owner.
    Shared,
}

/// Prefixes of the roles in [`OwnedDb::deployments`].
const DEPLOYMENT_PREFIXES: [&str; 2] = ["tenantry_test_Shop-EU", "tenantry_test_shop"];

/// An empty database with a non-superuser owner.
#[derive(Debug)]
pub struct OwnedDb {
    database: TempDb,
    application: &'static str,
    owner: &'static str,
    password: String,
    roles: RoleNames,
    /// Holds the advisory lock; dropped after the database. `None`: another database holds it.
    _lock: Option<PgConnection>,
}

impl OwnedDb {
    /// Recreates the logins and grants them the application's two roles, as an administrator would. The owner can't
    /// create or grant these roles, because migrations of other tests have already created them as a superuser.
    pub async fn new(logins: Logins) -> Self {
        // The template's migrations create the two roles.
        migrated_template().await;
        let mut lock = lock_logins().await;
        let (database, password) = (TempDb::named("owned"), Uuid::now_v7().simple().to_string());
        for sql in setup_statements(&mut lock, &database.name, &password).await {
            execute(&mut lock, sql).await;
        }
        let application = match logins {
            Logins::Separate => APP_LOGIN,
            Logins::Shared => OWNER_LOGIN,
        };
        Self { database, application, owner: OWNER_LOGIN, password, roles: role_names(), _lock: Some(lock) }
    }

    /// Creates the databases of two deployments on the same server, each with its own logins and roles. Neither is
    /// migrated. As in docs/operations/deploy.md, the owners have `CREATEROLE`.
    pub async fn deployments() -> [Self; 2] {
        let mut lock = lock_logins().await;
        let mut deployments = Vec::new();
        let logins = [(APP_LOGIN, OWNER_LOGIN), (OTHER_APP_LOGIN, OTHER_OWNER_LOGIN)];
        for (prefix, (application, owner)) in DEPLOYMENT_PREFIXES.into_iter().zip(logins) {
            let (database, password) = (TempDb::named("owned"), Uuid::now_v7().simple().to_string());
            execute(&mut lock, format!("CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD '{password}'")).await;
            execute(&mut lock, format!("CREATE ROLE {application} LOGIN PASSWORD '{password}'")).await;
            execute(&mut lock, format!("CREATE DATABASE {} OWNER {owner}", database.name)).await;
            let roles = RoleNames::new(prefix).unwrap();
            deployments.push(Self { database, application, owner, password, roles, _lock: None });
        }
        deployments[1]._lock = Some(lock);
        deployments.try_into().unwrap()
    }

    /// Returns a production configuration, which rejects pending migrations and superuser logins.
    pub fn config(&self) -> DbConfig {
        let [application, owner] = self.urls().map(|url| DatabaseUrl::parse(&url).unwrap());
        DbConfig {
            driver: DbDriver::Postgres(PostgresConfig {
                url: application,
                migration_url: Some(owner),
                backup_url: None,
                roles: self.roles.clone(),
            }),
            pool_size: 3,
            connect_timeout: Duration::from_secs(30),
            production: true,
            migrate_on_start: false,
        }
    }

    /// Seeds the demo data as the application.
    pub async fn seed(&self) {
        let db = open_db(self.config()).await.unwrap();
        seeds::run(&*db.system()).await.unwrap();
        db.close().await;
    }

    /// Creates a login for backups as docs/operations/deploy.md describes, and returns its URL. `attributes` are those of
    /// the role.
    pub async fn create_backup_login(&self, attributes: &str) -> String {
        let (password, name) = (&self.password, &self.database.name);
        let sql = format!(
            "DROP ROLE IF EXISTS {BACKUP_LOGIN};
             CREATE ROLE {BACKUP_LOGIN} LOGIN PASSWORD '{password}' {attributes};
             GRANT CONNECT ON DATABASE {name} TO {BACKUP_LOGIN}"
        );
        execute(&mut self.superuser().await, sql).await;
        TestServer::get().url_as(BACKUP_LOGIN, password, name)
    }

    /// Opens a superuser connection.
    pub async fn superuser(&self) -> PgConnection {
        self.database.superuser().await
    }

    /// Returns the URLs of the application and of the owner.
    pub fn urls(&self) -> [String; 2] {
        self.urls_of(&self.database.name)
    }

    /// Returns the URLs with which this deployment's logins would connect to the other's database: the application's
    /// and the owner's.
    pub fn urls_to(&self, other: &Self) -> [String; 2] {
        self.urls_of(&other.database.name)
    }

    fn urls_of(&self, database: &str) -> [String; 2] {
        [self.application, self.owner].map(|login| TestServer::get().url_as(login, &self.password, database))
    }

    /// Returns the application login.
    pub fn application(&self) -> &'static str {
        self.application
    }

    /// Returns the owner login.
    pub fn owner(&self) -> &'static str {
        self.owner
    }

    /// Returns the name of the database.
    pub fn name(&self) -> &str {
        &self.database.name
    }

    /// Returns the roles of the application.
    pub fn roles(&self) -> &RoleNames {
        &self.roles
    }
}

/// Waits until no other test uses the logins, and drops what a killed run has left. Returns the connection that holds
/// the lock.
async fn lock_logins() -> PgConnection {
    let mut lock = maintenance_connection().await;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(LOGINS_LOCK).execute(&mut lock).await.unwrap();
    drop_leftovers(&mut lock).await;
    lock
}

/// Returns the statements that create the logins, their grants and the database. From PostgreSQL 16 on, inheritance is
/// a property of the grant; in older versions, of the login.
async fn setup_statements(server: &mut PgConnection, database: &str, password: &str) -> Vec<String> {
    let is_16_or_newer: bool = sqlx::query_scalar("SELECT current_setting('server_version_num')::int >= 160000")
        .fetch_one(server)
        .await
        .unwrap();
    let set_only = if is_16_or_newer { "WITH INHERIT FALSE, SET TRUE" } else { "" };
    vec![
        format!("CREATE ROLE {OWNER_LOGIN} LOGIN PASSWORD '{password}'"),
        format!("CREATE ROLE {APP_LOGIN} LOGIN NOINHERIT PASSWORD '{password}'"),
        format!("GRANT tenantry_app TO {OWNER_LOGIN}, {APP_LOGIN}"),
        format!("GRANT tenantry_system TO {OWNER_LOGIN}, {APP_LOGIN} {set_only}"),
        format!("CREATE DATABASE {database} OWNER {OWNER_LOGIN}"),
    ]
}

/// Drops the databases of a killed run, and the logins and roles of earlier tests.
async fn drop_leftovers(server: &mut PgConnection) {
    let owned = "SELECT datname::text FROM pg_database WHERE pg_get_userbyid(datdba) = ANY ($1)";
    for row in sqlx::query(owned).bind(TEST_LOGINS.as_slice()).fetch_all(&mut *server).await.unwrap() {
        execute(server, format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", row.get::<String, _>(0))).await;
    }
    for prefix in DEPLOYMENT_PREFIXES {
        execute(server, format!(r#"DROP ROLE IF EXISTS "{prefix}_app", "{prefix}_system""#)).await;
    }
    for login in TEST_LOGINS {
        execute(server, format!("DROP ROLE IF EXISTS {login}")).await;
    }
}
