//! Administration of the embedded database by other processes than the one that serves it: status, backup, restore,
//! psql.

use std::path::PathBuf;

use embedded_postgres::{ConnectionInfo, Inspection, OwnerProcess, RunningServer, ServerState};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

use super::{
    DbConfig, DbDriver, DbServer, MigrateError, Migrator, OpenError, RoleNames,
    constants::EMBEDDED_DATABASE,
    embedded_server::{embedded_options, run_blocking, server_options},
    pool::{plain_options, without_transaction_timeout},
};

/// An administrative command failed. Every message is one line and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The configured database is an external server.
    #[error("an external server is configured, and this requires the embedded database; set DB_DRIVER=embedded")]
    NotEmbedded,
    /// The embedded database hasn't been created yet.
    #[error(
        "no embedded database yet at {}; `tenantry serve` creates one, `tenantry db restore` fills a new one",
        root.display()
    )]
    NotCreated {
        /// Its directory.
        root: PathBuf,
    },
    /// Another process is creating, starting or stopping the server.
    #[error("the embedded database at {} is being created, started or stopped; try again in a moment", root.display())]
    Busy {
        /// Its directory.
        root: PathBuf,
    },
    /// Another program is using the server.
    #[error("the embedded database at {} is in use{}; stop that program first", root.display(), by_process(.owner.as_ref()))]
    InUse {
        /// Its directory.
        root: PathBuf,
        /// The program using it, if known.
        owner: Option<OwnerProcess>,
    },
    /// A database can't be renamed while there are connections to it.
    #[error("there are open connections to the database, perhaps from psql; close them and try again")]
    ConnectionsOpen,
    /// The server couldn't be started.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The migrations are incompatible with this program, or the roles can't be created.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// A statement failed.
    #[error("database statement failed: {0}")]
    Statement(#[from] sqlx::Error),
}

fn by_process(owner: Option<&OwnerProcess>) -> String {
    owner.map(|OwnerProcess { pid, command }| format!(" by process {pid} ({command})")).unwrap_or_default()
}

/// Inspects the embedded database without starting or changing anything.
///
/// # Errors
/// [`AdminError`] if the database isn't embedded or its directory can't be read.
pub async fn inspect(config: &DbConfig) -> Result<Inspection, AdminError> {
    let DbDriver::Embedded(embedded) = config.driver.clone() else { return Err(AdminError::NotEmbedded) };
    let options = server_options(config, *embedded);
    Ok(run_blocking(move || Inspection::of(options)).await.map_err(OpenError::from)?)
}

/// Administrative access to the embedded database, through the running server of another process or through a server
/// started for this purpose.
#[derive(Debug)]
pub struct EmbeddedAdmin {
    connection_info: ConnectionInfo,
    server: Option<DbServer>,
}

impl EmbeddedAdmin {
    /// Attaches to the running server, or starts it. Never creates a database.
    pub async fn open(config: &DbConfig) -> Result<Self, AdminError> {
        if let Some(admin) = Self::try_attach(config).await? {
            return Ok(admin);
        }
        match Self::start(config).await {
            // Another process started the server in the meantime; attach to it.
            Err(error @ AdminError::InUse { .. }) => Self::try_attach(config).await?.ok_or(error),
            started => started,
        }
    }

    async fn try_attach(config: &DbConfig) -> Result<Option<Self>, AdminError> {
        let inspection = inspect(config).await?;
        let root = inspection.root().to_owned();
        match inspection.state() {
            ServerState::Absent => Err(AdminError::NotCreated { root }),
            ServerState::Busy => Err(AdminError::Busy { root }),
            ServerState::Running(running) => Ok(Some(Self::attach(running))),
            ServerState::Stopped { .. } => Ok(None),
        }
    }

    /// Attaches to this running server.
    pub fn attach(running: &RunningServer) -> Self {
        Self { connection_info: running.connection.clone(), server: None }
    }

    /// Starts the server for exclusive use. Creates the database if there is none.
    ///
    /// # Errors
    /// [`AdminError::InUse`] if another process is using the server; otherwise whatever prevents the start.
    pub async fn start(config: &DbConfig) -> Result<Self, AdminError> {
        ensure_not_in_use(&inspect(config).await?)?;
        let server = match DbServer::start(config.clone()).await {
            // Another process started the server in the meantime.
            Err(OpenError::Embedded(embedded_postgres::Error::InUse { dir })) => {
                ensure_not_in_use(&inspect(config).await?)?;
                return Err(AdminError::InUse { root: dir, owner: None });
            }
            started => started?,
        };
        let embedded = server.embedded.as_ref().ok_or(AdminError::NotEmbedded)?;
        Ok(Self { connection_info: embedded.connection_info().clone(), server: Some(server) })
    }

    /// Returns the connection parameters for the client programs of the installation.
    pub fn connection_info(&self) -> &ConnectionInfo {
        &self.connection_info
    }

    /// Returns the name of the application's database.
    pub fn database(&self) -> &'static str {
        EMBEDDED_DATABASE
    }

    /// Returns a migration runner with the owner login.
    pub fn migrator(&self) -> Migrator {
        migrator(&self.connection_info, EMBEDDED_DATABASE)
    }

    /// Connects with the owner login.
    pub(super) async fn connect(&self, database: &str) -> Result<PgConnection, AdminError> {
        Ok(PgConnection::connect_with(&owner_options(&self.connection_info, database)).await?)
    }

    /// Marks the initial set-up as complete, so that the next start doesn't seed demo data.
    pub(super) fn mark_initialized(&self) -> Result<(), AdminError> {
        if let Some(embedded) = self.server.as_ref().and_then(|server| server.embedded.as_ref()) {
            embedded.mark_initialized().map_err(OpenError::from)?;
        }
        Ok(())
    }

    /// Stops the server if it was started by [`Self::open`] or [`Self::start`].
    pub async fn close(self) {
        if let Some(server) = self.server {
            server.stop().await;
        }
    }
}

/// Fails if another process is using the server. An orphaned server doesn't count, since starting stops it first.
fn ensure_not_in_use(inspection: &Inspection) -> Result<(), AdminError> {
    let root = inspection.root().to_owned();
    match inspection.state() {
        ServerState::Running(RunningServer { owner: Some(owner), .. }) => {
            Err(AdminError::InUse { root, owner: Some(owner.clone()) })
        }
        ServerState::Busy => Err(AdminError::Busy { root }),
        _ => Ok(()),
    }
}

pub(super) fn migrator(connection_info: &ConnectionInfo, database: &str) -> Migrator {
    let login = connection_info.superuser().to_owned();
    Migrator::new(owner_options(connection_info, database), login, RoleNames::embedded())
}

fn owner_options(connection_info: &ConnectionInfo, database: &str) -> PgConnectOptions {
    let options = plain_options(embedded_options(connection_info).database(database));
    // Suppresses notices such as those of `DROP … IF EXISTS`.
    let options = options.options([("client_min_messages", "warning")]);
    without_transaction_timeout(options, connection_info.installation().major())
}
