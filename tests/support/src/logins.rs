//! Logins without a superuser's rights, as in production: one owns a database, one is the application's.
#![expect(clippy::disallowed_methods, reason = "roles are made by name")]

use std::time::Duration;

use kernel::db::{DatabaseUrl, DbConfig, DbDriver, PostgresConfig, create_db};
use sqlx::{Connection, PgConnection, Row};
use uuid::Uuid;

use crate::{
    clones::{clone_name, drop_database, execute, maintenance, template},
    server::TestServer,
};

const OWNER: &str = "tenantry_test_owner";
const APPLICATION: &str = "tenantry_test_login";

/// The logins that the embedded test server lets in beside its superuser.
pub(crate) const ORDINARY_LOGINS: [&str; 2] = [OWNER, APPLICATION];

/// Roles belong to the server: one test at a time has these.
const LOCK: i64 = 8_368_270;

/// How many logins there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logins {
    /// The application has one of its own.
    Two,
    /// The owner's is the application's, too.
    One,
}

/// An empty database that an ordinary login owns. It is gone when this is.
#[derive(Debug)]
pub struct OwnedDb {
    name: String,
    logins: Logins,
    password: String,
    /// Ends with this.
    _lock: PgConnection,
}

impl OwnedDb {
    /// Makes the logins anew, and has an administrator grant them the two roles: there, from other tests, they can't be
    /// made by the owner any more.
    pub async fn new(logins: Logins) -> Self {
        // Makes the two roles.
        template().await;
        let mut lock = maintenance().await;
        sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK).execute(&mut lock).await.unwrap();
        drop_leftovers(&mut lock).await;
        let (name, password) = (clone_name("owned"), Uuid::now_v7().simple().to_string());
        for sql in set_up(&mut lock, &name, &password).await {
            execute(&mut lock, sql).await;
        }
        Self { name, logins, password, _lock: lock }
    }

    /// How to open it in production: with pending migrations it is refused, and so is a superuser.
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

    /// Puts the demo data into it, as the application.
    pub async fn seed(&self) {
        let db = create_db(self.config()).await.unwrap();
        seeds::run(&*db.system()).await.unwrap();
        db.close().await;
    }

    /// A connection with the rights of the server's superuser.
    pub async fn superuser(&self) -> PgConnection {
        PgConnection::connect(&TestServer::get().url(&self.name)).await.unwrap()
    }

    /// The application's and the owner's.
    pub fn urls(&self) -> [String; 2] {
        let application = match self.logins {
            Logins::Two => APPLICATION,
            Logins::One => OWNER,
        };
        [application, OWNER].map(|login| TestServer::get().url_as(login, &self.password, &self.name))
    }
}

impl Drop for OwnedDb {
    fn drop(&mut self) {
        drop_database(&self.name);
    }
}

/// What an administrator does. Before PostgreSQL 16 inheriting is a property of the login, since then of the grant.
async fn set_up(server: &mut PgConnection, database: &str, password: &str) -> Vec<String> {
    let since_16: bool = sqlx::query_scalar("SELECT current_setting('server_version_num')::int >= 160000")
        .fetch_one(server)
        .await
        .unwrap();
    let apart = if since_16 { "WITH INHERIT FALSE, SET TRUE" } else { "" };
    vec![
        format!("CREATE ROLE {OWNER} LOGIN PASSWORD '{password}'"),
        format!("CREATE ROLE {APPLICATION} LOGIN NOINHERIT PASSWORD '{password}'"),
        format!("GRANT tenantry_app TO {OWNER}, {APPLICATION}"),
        format!("GRANT tenantry_system TO {OWNER}, {APPLICATION} {apart}"),
        format!("CREATE DATABASE {database} OWNER {OWNER}"),
    ]
}

/// Of a run that was killed.
async fn drop_leftovers(server: &mut PgConnection) {
    let owned = "SELECT datname::text FROM pg_database WHERE datdba = to_regrole($1)";
    for row in sqlx::query(owned).bind(OWNER).fetch_all(&mut *server).await.unwrap() {
        execute(server, format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", row.get::<String, _>(0))).await;
    }
    for login in ORDINARY_LOGINS {
        execute(server, format!("DROP ROLE IF EXISTS {login}")).await;
    }
}
