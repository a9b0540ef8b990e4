//! Opening the database: server, start-up checks, pool.

use std::{path::PathBuf, sync::Arc, time::Duration};

use kernel::ValueModule;
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

#[cfg(feature = "embedded")]
use super::embedded_server;
use super::{
    AccessChanged, Database, DatabaseUrl, DbConfig, DbDriver, MigrationStatus, Migrator, OpenError, PoolerDetected,
    PostgresConfig, RoleNames, SystemDatabase,
    constants::MIN_MAJOR_VERSION,
    database_url::Address,
    error::{is_pooler_rejection, tls_failure},
    migrate::AppliedMigrations,
    module::DbModule,
    outcome::Outcome,
    pool::{Pool, app_options, plain_options, without_transaction_timeout},
    recorded_access::{self, AccessCheck},
    roles::LoginPrivileges,
    sqlstate::{INSUFFICIENT_PRIVILEGE, sqlstate},
};

/// Pause between two checks whether the embedded server still runs.
#[cfg(feature = "embedded")]
const EXIT_POLL_INTERVAL: Duration = Duration::from_millis(200);

/// A reachable server. There is no pool yet, and the schema hasn't been checked.
#[derive(Debug)]
pub struct DbServer {
    config: DbConfig,
    app: PgConnectOptions,
    owner: PgConnectOptions,
    roles: RoleNames,
    #[cfg(feature = "embedded")]
    pub(super) embedded: Option<embedded_postgres::Server>,
}

impl DbServer {
    /// Starts the embedded server, or waits up to the connect timeout for an external one.
    pub async fn start(config: DbConfig) -> Result<Self, OpenError> {
        match config.driver.clone() {
            #[cfg(feature = "embedded")]
            DbDriver::Embedded(embedded) => {
                let (server, options) = embedded_server::start(&config, *embedded).await?;
                let options = without_transaction_timeout(options, server.major());
                let (app, owner) = (options.clone(), options);
                Ok(Self { config, app, owner, roles: RoleNames::embedded(), embedded: Some(server) })
            }
            DbDriver::Postgres(postgres) => {
                if config.production {
                    warn_about_weak_sslmodes(&postgres);
                }
                let app = postgres.url.options(config.production);
                let owner = postgres.owner_url().options(config.production);
                let major = check_server(&plain_options(owner.clone()), config.connect_timeout).await?;
                Ok(Self {
                    config,
                    app: without_transaction_timeout(app, major),
                    owner: without_transaction_timeout(owner, major),
                    roles: postgres.roles,
                    #[cfg(feature = "embedded")]
                    embedded: None,
                })
            }
        }
    }

    /// Returns a migration runner with the owner login.
    pub fn migrator(&self) -> Migrator {
        Migrator::new(plain_options(self.owner.clone()), self.app.get_username().to_owned(), self.roles.clone())
    }

    /// Checks the login and the schema, and opens the pool.
    pub async fn connect(self) -> Result<Db, OpenError> {
        check_login(&self.app, &self.config, &self.roles).await?;
        let pool = Pool::new(self.app, &self.config, self.roles);
        // Open the first connection now rather than in the first request.
        drop(pool.acquire().await.map_err(OpenError::Other)?);
        Ok(Db {
            pool,
            #[cfg(feature = "embedded")]
            embedded: self.embedded.map(Arc::new),
        })
    }

    /// Stops the embedded server. An external server is not affected.
    pub async fn stop(self) {
        #[cfg(feature = "embedded")]
        if let Some(server) = self.embedded {
            embedded_server::stop(server).await;
        }
    }
}

/// Explicit settings are kept, but the operator should know what they mean.
pub(super) fn warn_about_weak_sslmodes(config: &PostgresConfig) {
    let urls = [
        ("DATABASE_URL", Some(&config.url)),
        ("MIGRATION_DATABASE_URL", config.migration_url.as_ref()),
        ("BACKUP_DATABASE_URL", config.backup_url.as_ref()),
    ];
    for (key, url) in urls {
        if let Some(sslmode) = url.and_then(DatabaseUrl::weak_sslmode) {
            tracing::warn!(
                "{key} sets sslmode={sslmode}, so another machine on the network may impersonate the database server; \
                 remove sslmode from the URL to verify the server's certificate"
            );
        }
    }
}

/// Connects and runs the checks, with a deadline for both. Connecting is retried while the server is unavailable,
/// since it may be starting.
///
/// `classify_rejection` may map a rejected connection to a more specific error.
pub(super) async fn with_deadline(
    timeout: Duration,
    options: &PgConnectOptions,
    classify_rejection: impl Fn(&sqlx::Error) -> Option<OpenError>,
    checks: impl AsyncFnOnce(&mut PgConnection) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    let address = Address(options).to_string();
    let mut reason = "no response".to_owned();
    let work = async {
        let mut connection = loop {
            match PgConnection::connect_with(options).await {
                Ok(connection) => break connection,
                Err(error) if is_pooler_rejection(&error) => {
                    return Err(PoolerDetected { address: address.clone() }.into());
                }
                Err(error) if let Some(reason) = tls_failure(&error, options) => {
                    return Err(OpenError::Tls { address: address.clone(), reason });
                }
                Err(error) if matches!(Outcome::of(&error), Outcome::Retry | Outcome::Unavailable) => {
                    reason = error.to_string();
                }
                Err(error) => {
                    return Err(classify_rejection(&error).unwrap_or_else(|| login_rejected(address.clone(), error)));
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        checks(&mut connection).await?;
        connection.close().await.map_err(OpenError::Other)
    };
    match tokio::time::timeout(timeout, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(OpenError::Unreachable { address, waited: timeout, reason }),
    }
}

fn login_rejected(address: String, error: sqlx::Error) -> OpenError {
    match error.as_database_error() {
        Some(error) => OpenError::LoginRejected { address, reason: error.message().to_owned() },
        None => OpenError::Other(error),
    }
}

/// Checks version and database, and returns the server's major version.
async fn check_server(options: &PgConnectOptions, timeout: Duration) -> Result<u32, OpenError> {
    let mut major = 0;
    with_deadline(
        timeout,
        options,
        |_| None,
        async |connection| {
            major = check_version(connection).await?;
            check_database(connection, options).await
        },
    )
    .await?;
    Ok(major)
}

/// Checks that the server isn't too old, and returns its major version.
pub(super) async fn check_version(connection: &mut PgConnection) -> Result<u32, OpenError> {
    let query = "SELECT current_setting('server_version_num')::int, current_setting('server_version')";
    // Not prepared: behind a pooler, another client's statement may have the same name.
    let row = sqlx::query_as(query).persistent(false).fetch_one(connection).await;
    let (version_num, version): (i32, String) = row.map_err(OpenError::Other)?;
    match u32::try_from(version_num / 10_000) {
        Ok(major) if !is_too_old(version_num) => Ok(major),
        _ => Err(OpenError::TooOld { version }),
    }
}

/// Checks that the database is writable and that its encoding can store all texts.
pub(super) async fn check_database(connection: &mut PgConnection, options: &PgConnectOptions) -> Result<(), OpenError> {
    let query = "SELECT pg_is_in_recovery(), current_setting('server_encoding')";
    let row = sqlx::query_as(query).persistent(false).fetch_one(connection).await;
    let (in_recovery, encoding): (bool, String) = row.map_err(OpenError::Other)?;
    let address = Address(options).to_string();
    if in_recovery {
        return Err(OpenError::Standby { address });
    }
    if encoding == "UTF8" { Ok(()) } else { Err(OpenError::Encoding { address, encoding }) }
}

/// Takes a `server_version_num`, such as 150012 for 15.12.
fn is_too_old(version_num: i32) -> bool {
    u32::try_from(version_num / 10_000).is_ok_and(|major| major < MIN_MAJOR_VERSION)
}

/// Checks that the application login has its two roles and no excessive privileges, and that schema and access are as
/// migrated.
async fn check_login(options: &PgConnectOptions, config: &DbConfig, roles: &RoleNames) -> Result<(), OpenError> {
    let options = app_options(options.clone(), roles);
    // invalid_parameter_value: the role set at connection start-up doesn't exist. insufficient_privilege: it isn't
    // granted. In both cases `migrate run` hasn't been run for this login.
    let classify_rejection = |error: &sqlx::Error| match sqlstate(error).as_deref() {
        Some("22023") => Some(not_current("it has never been migrated")),
        Some(INSUFFICIENT_PRIVILEGE) => Some(not_current("the login has not been granted its roles")),
        _ => None,
    };
    with_deadline(config.connect_timeout, &options, classify_rejection, async |connection| {
        let privileges = LoginPrivileges::read(connection, roles).await.map_err(OpenError::Other)?;
        if !privileges.role_applied {
            return Err(PoolerDetected { address: Address(&options).to_string() }.into());
        }
        check_database(connection, &options).await?;
        if privileges.bypasses_rls {
            return Err(OpenError::RlsBypassed { roles: roles.clone() });
        }
        if config.production && privileges.superuser {
            return Err(OpenError::Superuser);
        }
        if !privileges.can_assume_system {
            return Err(not_current("the login has not been granted its roles"));
        }
        let applied = AppliedMigrations::read_as_application(connection).await.map_err(OpenError::Other)?;
        applied.ok_or_else(|| not_current("it has never been migrated"))?.ensure_current()?;
        match recorded_access::check(connection, roles).await.map_err(OpenError::Other)? {
            AccessCheck::Changed(differences) => return Err(AccessChanged { differences }.into()),
            AccessCheck::Unknown => return Err(not_current("the last migration run was interrupted")),
            AccessCheck::Unchanged => {}
        }
        match privileges.revoke_public {
            Some(statement) if config.production => Err(OpenError::PublicDatabase { statement }),
            _ => Ok(()),
        }
    })
    .await
}

fn not_current(detail: &str) -> OpenError {
    OpenError::SchemaNotCurrent { detail: detail.into(), remedy: "run `tenantry migrate run`" }
}

/// An open database. Clones share the pool and the server.
#[derive(Debug, Clone)]
pub struct Db {
    pool: Pool,
    #[cfg(feature = "embedded")]
    embedded: Option<Arc<embedded_postgres::Server>>,
}

/// Opens the configured database. Applies pending migrations first if configured; otherwise an outdated schema is an
/// error.
pub async fn open_db(config: DbConfig) -> Result<Db, OpenError> {
    let server = DbServer::start(config).await?;
    if server.config.migrate_on_start {
        for MigrationStatus { version, name, .. } in server.migrator().run().await? {
            tracing::info!(version, name, "applied a migration");
        }
    }
    server.connect().await
}

impl Db {
    /// Access bound by row-level security.
    pub fn database(&self) -> Arc<dyn Database> {
        Arc::new(self.pool.clone())
    }

    /// Access to the rows of all tenants.
    pub fn system(&self) -> Arc<dyn SystemDatabase> {
        Arc::new(self.pool.clone())
    }

    /// Returns the database as a shaku module.
    pub fn module(&self) -> Arc<DbModule> {
        let pool = || Arc::new(self.pool.clone());
        let module =
            DbModule::builder(ValueModule::new(pool()), ValueModule::new(pool()), ValueModule::new(pool())).build();
        Arc::new(module)
    }

    /// Returns whether this is an embedded database whose initial set-up hasn't been marked as complete, see
    /// [`Db::mark_initialized`].
    pub fn needs_setup(&self) -> bool {
        #[cfg(feature = "embedded")]
        return self.embedded.as_ref().is_some_and(|server| server.needs_setup());
        #[cfg(not(feature = "embedded"))]
        false
    }

    /// Marks the initial set-up as complete.
    ///
    /// # Errors
    /// The marker file can't be removed.
    pub fn mark_initialized(&self) -> Result<(), OpenError> {
        #[cfg(feature = "embedded")]
        if let Some(server) = &self.embedded {
            server.mark_initialized()?;
        }
        Ok(())
    }

    /// Waits until the embedded server has exited without having been stopped, and returns the path of its log. Waits
    /// forever if the server is external.
    #[cfg(feature = "embedded")]
    pub async fn embedded_exit(&self) -> PathBuf {
        let Some(server) = &self.embedded else { return std::future::pending().await };
        while server.is_running() {
            tokio::time::sleep(EXIT_POLL_INTERVAL).await;
        }
        server.log_file()
    }

    /// Waits forever, since the server is external.
    #[cfg(not(feature = "embedded"))]
    pub async fn embedded_exit(&self) -> PathBuf {
        std::future::pending().await
    }

    /// Waits for connections in use, closes the pool, and stops the embedded server.
    pub async fn close(self) {
        self.pool.close().await;
        #[cfg(feature = "embedded")]
        if let Some(server) = self.embedded.and_then(Arc::into_inner) {
            embedded_server::stop(server).await;
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
