//! From configuration to a database that can be worked with.

#[cfg(feature = "embedded")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::{sync::Arc, time::Duration};

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

use super::{
    Database, DbConfig, DbDriver, MigrationStatus, Migrator, OpenError, PoolerDetected, SystemDatabase,
    config::Address,
    error::{INSUFFICIENT_PRIVILEGE, is_pooler_rejection, is_unavailable, sqlstate},
    migrate::AppliedMigrations,
    module::DbModuleImpl,
    pool::{Pool, app_options, plain_options},
    roles::LoginPrivileges,
};
use crate::{contracts::DbModule, shaku_value::ValueModule};

/// The oldest PostgreSQL that is tested with.
pub(super) const MIN_MAJOR_VERSION: u32 = 15;

/// The embedded server's only database.
#[cfg(feature = "embedded")]
pub(super) const EMBEDDED_DATABASE: &str = "tenantry";

/// A server that can be reached, and not more: no pool yet, and nobody has looked at the schema.
#[derive(Debug)]
pub struct DbServer {
    config: DbConfig,
    app: PgConnectOptions,
    owner: PgConnectOptions,
    #[cfg(feature = "embedded")]
    pub(super) server: Option<embedded_postgres::Server>,
}

impl DbServer {
    /// Starts the embedded server, or waits a bounded time for the other one to answer.
    ///
    /// # Errors
    /// [`OpenError`], in one line.
    pub async fn start(config: DbConfig) -> Result<Self, OpenError> {
        match config.driver.clone() {
            #[cfg(feature = "embedded")]
            DbDriver::Embedded(embedded) => Self::start_embedded(config, *embedded).await,
            DbDriver::Postgres(postgres) => {
                let app = postgres.url.options();
                let owner = postgres.migration_url.map_or_else(|| app.clone(), |url| url.options());
                check_server(&owner, config.connect_timeout).await?;
                Ok(Self {
                    config,
                    app,
                    owner,
                    #[cfg(feature = "embedded")]
                    server: None,
                })
            }
        }
    }

    #[cfg(feature = "embedded")]
    async fn start_embedded(config: DbConfig, embedded: super::EmbeddedConfig) -> Result<Self, OpenError> {
        // A start that nobody waits for any more doesn't hold up the program's end with a download.
        let _cancel_on_drop = embedded.download.as_ref().map(|download| CancelOnDrop(download.cancel.clone()));
        let options = server_options(&config, embedded);
        let server = blocking(move || embedded_postgres::Server::start(options)).await?;
        log_newer_installation(&server);
        let options = embedded_options(&server.connection_info());
        create_database(&options).await?;
        let options = options.database(EMBEDDED_DATABASE);
        Ok(Self { config, app: options.clone(), owner: options, server: Some(server) })
    }

    /// The migrations, as the owner.
    pub fn migrator(&self) -> Migrator {
        Migrator::new(plain_options(self.owner.clone()), self.app.get_username().to_owned())
    }

    /// Opens the pool, once the schema is current.
    ///
    /// # Errors
    /// [`OpenError`], in one line.
    pub async fn connect(self) -> Result<Db, OpenError> {
        check_login(&self.app, self.config.connect_timeout, self.config.production).await?;
        let pool = Pool::new(self.app, &self.config);
        // The first connection is made here rather than by the first request.
        drop(pool.acquire().await.map_err(OpenError::Other)?);
        Ok(Db {
            pool,
            #[cfg(feature = "embedded")]
            server: self.server.map(Arc::new),
        })
    }

    /// Stops the embedded server; one that ran already goes on.
    pub async fn stop(self) {
        #[cfg(feature = "embedded")]
        if let Some(server) = self.server {
            stop(server).await;
        }
    }
}

/// What the embedded server is started with, and looked for.
#[cfg(feature = "embedded")]
pub(super) fn server_options(config: &DbConfig, embedded: super::EmbeddedConfig) -> embedded_postgres::Options {
    let super::EmbeddedConfig { root, bin_dir, search_path, download, durable } = embedded;
    embedded_postgres::Options {
        bin_dir,
        search_path,
        download,
        durable,
        max_connections: u16::try_from(config.pool_size).unwrap_or(u16::MAX).saturating_add(20),
        ..embedded_postgres::Options::new(root)
    }
}

/// Going on with the version that wrote the data is a choice, and whoever runs the program may make another.
#[cfg(feature = "embedded")]
fn log_newer_installation(server: &embedded_postgres::Server) {
    if let Some(newer) = server.newer_installation() {
        tracing::info!(
            "PostgreSQL {} is installed, too; the data stays with {}, which wrote it. To move it: `tenantry db backup`, \
             then `tenantry db restore` with a new DATA_DIR",
            newer.major(),
            server.major()
        );
    }
}

/// Says so when it goes.
#[cfg(feature = "embedded")]
struct CancelOnDrop(Arc<AtomicBool>);

#[cfg(feature = "embedded")]
impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The way to the embedded server. Each setting is named, so that none comes from the surroundings (`PGHOST`, …).
#[cfg(feature = "embedded")]
pub(super) fn embedded_options(server: &embedded_postgres::ConnectionInfo) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(server.socket_dir())
        .port(server.port())
        .username(server.superuser())
        .password("")
        .database("postgres")
        .ssl_mode(sqlx::postgres::PgSslMode::Disable)
}

#[cfg(feature = "embedded")]
async fn create_database(options: &PgConnectOptions) -> Result<(), OpenError> {
    let mut connection = PgConnection::connect_with(options).await.map_err(OpenError::Other)?;
    let created = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {EMBEDDED_DATABASE}")))
        .execute(&mut connection)
        .await;
    match created {
        Err(error) if sqlstate(&error).as_deref() != Some("42P04") => Err(OpenError::Other(error)),
        _ => connection.close().await.map_err(OpenError::Other),
    }
}

#[cfg(feature = "embedded")]
async fn stop(server: embedded_postgres::Server) {
    if let Err(error) = blocking(move || server.stop()).await {
        tracing::warn!(%error, "the embedded database didn't stop in order; it will heal at the next start");
    }
}

/// Runs what blocks beside the runtime's own threads.
#[cfg(feature = "embedded")]
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Runs checks on a connection, all within the bounded wait, for a server that is just starting. `classify_rejection` says
/// what it means that the server refuses the connection.
async fn with_deadline<T>(
    wait: Duration,
    options: &PgConnectOptions,
    classify_rejection: impl Fn(&sqlx::Error) -> Option<OpenError>,
    checks: impl AsyncFnOnce(&mut PgConnection) -> Result<T, OpenError>,
) -> Result<T, OpenError> {
    let address = Address(options).to_string();
    let mut reason = "no answer".to_owned();
    let work = async {
        let mut connection = loop {
            match PgConnection::connect_with(options).await {
                Ok(connection) => break connection,
                Err(error) if is_pooler_rejection(&error) => {
                    return Err(PoolerDetected { address: address.clone() }.into());
                }
                Err(error) if is_unavailable(&error) => reason = error.to_string(),
                Err(error) => return Err(classify_rejection(&error).unwrap_or_else(|| refused(address.clone(), error))),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let outcome = checks(&mut connection).await?;
        connection.close().await.map_err(OpenError::Other)?;
        Ok(outcome)
    };
    match tokio::time::timeout(wait, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(OpenError::Unreachable { address, waited: wait, reason }),
    }
}

fn refused(address: String, error: sqlx::Error) -> OpenError {
    match error.as_database_error() {
        Some(words) => OpenError::LoginRejected { address, reason: words.message().to_owned() },
        None => OpenError::Other(error),
    }
}

async fn check_server(options: &PgConnectOptions, wait: Duration) -> Result<(), OpenError> {
    with_deadline(
        wait,
        options,
        |_| None,
        async |connection| {
            let version = "SELECT current_setting('server_version_num')::int, current_setting('server_version')";
            // Not kept prepared: behind a pooler, somebody else's statement may have the name already.
            let row = sqlx::query_as(version).persistent(false).fetch_one(connection).await;
            let (number, found): (i32, String) = row.map_err(OpenError::Other)?;
            if is_too_old(number) { Err(OpenError::TooOld { found }) } else { Ok(()) }
        },
    )
    .await
}

/// Of a `server_version_num`, such as 150012 for 15.12.
fn is_too_old(number: i32) -> bool {
    u32::try_from(number / 10_000).is_ok_and(|major| major < MIN_MAJOR_VERSION)
}

/// The application's login has its two roles and no more rights than it should, and the schema is current.
async fn check_login(options: &PgConnectOptions, wait: Duration, production: bool) -> Result<(), OpenError> {
    let options = app_options(options.clone());
    // invalid_parameter_value: the role that the connection is to take doesn't exist; insufficient_privilege: it isn't
    // granted. Either way nobody has migrated with this login in view.
    let classify_rejection = |error: &sqlx::Error| match sqlstate(error).as_deref() {
        Some("22023") => Some(not_current("nothing has been migrated")),
        Some(INSUFFICIENT_PRIVILEGE) => Some(not_current("the login isn't granted its roles")),
        _ => None,
    };
    with_deadline(wait, &options, classify_rejection, async |connection| {
        let standing = LoginPrivileges::read(connection).await.map_err(OpenError::Other)?;
        if !standing.taken {
            return Err(PoolerDetected { address: Address(&options).to_string() }.into());
        }
        if standing.unbound {
            return Err(OpenError::RlsBypassed);
        }
        if production && standing.superuser {
            return Err(OpenError::Superuser);
        }
        if !standing.system {
            return Err(not_current("the login isn't granted its roles"));
        }
        let applied = AppliedMigrations::read_as_application(connection).await.map_err(OpenError::Other)?;
        let applied = applied.ok_or_else(|| not_current("nothing has been migrated"))?;
        applied.compare(&super::MIGRATIONS).map_err(not_current)
    })
    .await
}

fn not_current(detail: impl Into<String>) -> OpenError {
    OpenError::SchemaNotCurrent { detail: detail.into() }
}

/// An open database. Clones share it.
#[derive(Debug, Clone)]
pub struct Db {
    pool: Pool,
    #[cfg(feature = "embedded")]
    server: Option<Arc<embedded_postgres::Server>>,
}

/// Opens the database that the configuration names. Where it says so, what is pending is applied first; elsewhere a
/// schema that isn't current is an error.
///
/// # Errors
/// [`OpenError`], in one line.
pub async fn open_db(config: DbConfig) -> Result<Db, OpenError> {
    let driver = DbServer::start(config).await?;
    if driver.config.migrate_on_start {
        for MigrationStatus { version, name, .. } in driver.migrator().run().await? {
            tracing::info!(version, name, "applied a migration");
        }
    }
    driver.connect().await
}

impl Db {
    /// The ways in that row-level security bounds.
    pub fn database(&self) -> Arc<dyn Database> {
        Arc::new(self.pool.clone())
    }

    /// The way in that sees every tenant.
    pub fn system(&self) -> Arc<dyn SystemDatabase> {
        Arc::new(self.pool.clone())
    }

    /// The database as a module for others to stand on.
    pub fn module(&self) -> Arc<dyn DbModule> {
        let pool = || Arc::new(self.pool.clone());
        let module = DbModuleImpl::builder(ValueModule::new(pool()), ValueModule::new(pool()), ValueModule::new(pool())).build();
        Arc::new(module)
    }

    /// Whether this is an embedded database whose first-time set-up hasn't been completed by [`Db::mark_initialized`].
    pub fn needs_setup(&self) -> bool {
        #[cfg(feature = "embedded")]
        return self.server.as_ref().is_some_and(|server| server.needs_setup());
        #[cfg(not(feature = "embedded"))]
        false
    }

    /// Notes that the first-time set-up is complete.
    ///
    /// # Errors
    /// The note couldn't be written.
    pub fn mark_initialized(&self) -> Result<(), OpenError> {
        #[cfg(feature = "embedded")]
        if let Some(server) = &self.server {
            server.mark_initialized()?;
        }
        Ok(())
    }

    /// Waits for the connections in use to come back, closes them all, and stops the embedded server.
    pub async fn close(self) {
        self.pool.close().await;
        #[cfg(feature = "embedded")]
        if let Some(server) = self.server.and_then(Arc::into_inner) {
            stop(server).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_version_is_the_first_of_its_major() {
        assert!(is_too_old(90_624) && is_too_old(149_999));
        assert!(!is_too_old(150_000) && !is_too_old(180_004));
    }
}
