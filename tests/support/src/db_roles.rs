//! Login roles without superuser rights, as in production: the database owner and the application.
#![expect(clippy::disallowed_methods, reason = "creates roles by name")]

use std::time::Duration;

use db::{DatabaseUrl, DbConfig, DbDriver, PostgresConfig, open_db};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::{
    server::{APP_LOGIN, OWNER_LOGIN, TEST_LOGINS, TestServer},
    template_db::{TempDb, execute, maintenance_connection, migrated_template},
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

/// An empty database with a non-superuser owner.
#[derive(Debug)]
pub struct OwnedDb {
    database: TempDb,
    logins: Logins,
    password: String,
    /// Holds the advisory lock; dropped after the database.
    _lock: PgConnection,
}

impl OwnedDb {
    /// Recreates the logins and grants them the application's two roles, as an administrator would. The owner can't
    /// create or grant these roles, because migrations of other tests have already created them as a superuser.
    pub async fn new(logins: Logins) -> Self {
        // The template's migrations create the two roles.
        migrated_template().await;
        let mut lock = maintenance_connection().await;
        sqlx::query("SELECT pg_advisory_lock($1)").bind(LOGINS_LOCK).execute(&mut lock).await.unwrap();
        drop_leftovers(&mut lock).await;
        let (database, password) = (TempDb::named("owned"), Uuid::now_v7().simple().to_string());
        for sql in setup_statements(&mut lock, &database.name, &password).await {
            execute(&mut lock, sql).await;
        }
        Self { database, logins, password, _lock: lock }
    }

    /// Returns a production configuration, which rejects pending migrations and superuser logins.
    pub fn config(&self) -> DbConfig {
        let [application, owner] = self.urls().map(|url| DatabaseUrl::parse(&url).unwrap());
        DbConfig {
            driver: DbDriver::Postgres(PostgresConfig { url: application, migration_url: Some(owner) }),
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

    /// Opens a superuser connection.
    pub async fn superuser(&self) -> PgConnection {
        self.database.superuser().await
    }

    /// Returns the URLs of the application and of the owner.
    pub fn urls(&self) -> [String; 2] {
        let application = match self.logins {
            Logins::Separate => APP_LOGIN,
            Logins::Shared => OWNER_LOGIN,
        };
        [application, OWNER_LOGIN].map(|login| TestServer::get().url_as(login, &self.password, &self.database.name))
    }
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

/// Drops what a killed run has left.
async fn drop_leftovers(server: &mut PgConnection) {
    let owned = "SELECT datname::text FROM pg_database WHERE datdba = to_regrole($1)";
    for row in sqlx::query(owned).bind(OWNER_LOGIN).fetch_all(&mut *server).await.unwrap() {
        execute(server, format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", row.get::<String, _>(0))).await;
    }
    for login in TEST_LOGINS {
        execute(server, format!("DROP ROLE IF EXISTS {login}")).await;
    }
}
