//! A database whose server is replaced by a lagging standby.
#![expect(clippy::disallowed_methods, reason = "promotes the standby")]

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use db::{DatabaseUrl, Db, DbConfig, DbDriver, DbServer, PostgresConfig, open_db};
use embedded_postgres::{Options, Server};
use seeds::Seed;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{search_path, temp_dir, template_db::role_names};

/// A migrated database with the demo data, on a separate server. All servers have the same URL, so an open [`Db`]
/// reconnects to the new primary after a failover.
pub struct FailoverDb {
    /// The open database.
    pub db: Db,
    /// Ids of the demo data.
    pub seed: Seed,
    options: Options,
    /// `None` only while the server is being replaced.
    server: Option<Server>,
}

impl fmt::Debug for FailoverDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailoverDb").field("server", &self.server).finish_non_exhaustive()
    }
}

impl FailoverDb {
    /// Starts the primary.
    pub async fn start() -> Self {
        let root = temp_dir().join(format!("tenantry-failover-{}", Uuid::now_v7().simple()));
        let options = Options { durable: false, search_path: search_path(), ..Options::new(root) };
        let server = Server::start(options.clone()).unwrap();
        let config = || DbConfig {
            driver: DbDriver::Postgres(PostgresConfig {
                url: DatabaseUrl::parse(&url(&server)).unwrap(),
                migration_url: None,
                backup_url: None,
                roles: role_names(),
            }),
            pool_size: 2,
            connect_timeout: Duration::from_secs(30),
            production: false,
            migrate_on_start: false,
        };
        DbServer::start(config()).await.unwrap().migrator().run().await.unwrap();
        let db = open_db(config()).await.unwrap();
        let seed = seeds::run(&*db.system()).await.unwrap();
        Self { db, seed, options, server: Some(server) }
    }

    /// Opens a superuser connection to the current primary.
    pub async fn superuser(&self) -> PgConnection {
        PgConnection::connect(&url(self.server.as_ref().unwrap())).await.unwrap()
    }

    /// Creates a standby. It receives nothing that is committed afterwards.
    pub fn create_standby(&mut self) {
        self.restart(|root| {
            let copied = Command::new("cp").arg("-a").args([data_dir(root), standby_dir(root)]).status().unwrap();
            assert!(copied.success(), "the data directory can't be copied: {copied}");
            fs::write(standby_dir(root).join("standby.signal"), "").unwrap();
        });
    }

    /// Replaces the primary by the standby. Commits that the standby hasn't received are lost.
    pub async fn fail_over(&mut self) {
        self.restart(|root| {
            fs::remove_dir_all(data_dir(root)).unwrap();
            fs::rename(standby_dir(root), data_dir(root)).unwrap();
        });
        let mut superuser = self.superuser().await;
        let promoted: bool = sqlx::query_scalar("SELECT pg_promote()").fetch_one(&mut superuser).await.unwrap();
        assert!(promoted, "the standby wasn't promoted");
    }

    fn restart(&mut self, change: impl FnOnce(&Path)) {
        let server = self.server.take().unwrap();
        let root = server.root().to_owned();
        server.stop().unwrap();
        change(&root);
        self.server = Some(Server::start(self.options.clone()).unwrap());
    }
}

impl Drop for FailoverDb {
    fn drop(&mut self) {
        let Some(server) = self.server.take() else { return };
        let root = server.root().to_owned();
        drop(server);
        // The system's cleanup of temporary files removes what is left.
        let _ = fs::remove_dir_all(root);
    }
}

fn url(server: &Server) -> String {
    let connection = server.connection_info();
    let (socket, user, port) = (connection.socket_dir().display(), connection.superuser(), connection.port());
    format!("postgres://{user}@localhost:{port}/postgres?host={socket}&sslmode=disable")
}

fn data_dir(root: &Path) -> PathBuf {
    root.join("data")
}

fn standby_dir(root: &Path) -> PathBuf {
    root.join("standby")
}
