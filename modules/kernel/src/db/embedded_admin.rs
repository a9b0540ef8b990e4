//! The embedded database from outside of the program that serves it: what there is to see, and a way in for its care.

use std::path::{Path, PathBuf};

use embedded_postgres::{ConnectionInfo, OwnerProcess, Installation, Inspection, RunningServer, ServerState};
use sqlx::postgres::PgConnectOptions;

use super::{
    DbConfig, DbDriver, DbServer, MigrateError, Migrator, OpenError,
    server::{EMBEDDED_DATABASE, blocking, embedded_options, server_options},
    pool::plain_options,
};

/// The embedded database couldn't be looked after. Every message is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Another server is configured.
    #[error(
        "this command is for the embedded database, and the configured one is a server of its own: use pg_dump, \
         pg_restore or psql of that server's version with the URL in DATABASE_URL or MIGRATION_DATABASE_URL"
    )]
    NotEmbedded,
    /// Nothing has been created.
    #[error("no embedded database yet at {}: `tenantry serve` creates one, `tenantry db restore` fills a new one", root.display())]
    NotCreated {
        /// Where it would be.
        root: PathBuf,
    },
    /// Somebody else is just starting or stopping it.
    #[error("the embedded database at {} is being created, started or stopped: try again in a moment", root.display())]
    Busy {
        /// Where it is.
        root: PathBuf,
    },
    /// Somebody else uses it, who would be harmed.
    #[error("the embedded database at {} is in use{}: stop that program first", root.display(), by(.owner.as_ref()))]
    InUse {
        /// Where it is.
        root: PathBuf,
        /// Who uses it, where that is known.
        owner: Option<OwnerProcess>,
    },
    /// A database can't change its name under those who are connected to it.
    #[error("somebody is connected to the database, perhaps with psql: end that connection and try again")]
    ConnectionsOpen,
    /// It couldn't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its migrations are not this program's, or its roles can't be made.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// A statement failed.
    #[error("the database refused a step of it: {0}")]
    Statement(#[from] sqlx::Error),
}

fn by(owner: Option<&OwnerProcess>) -> String {
    owner.map(|OwnerProcess { pid, command }| format!(" by process {pid} ({command})")).unwrap_or_default()
}

/// Looks at the embedded database, starting and changing nothing.
///
/// # Errors
/// [`AdminError`]: another driver, or a folder that can't be looked into.
pub async fn inspect(config: &DbConfig) -> Result<Inspection, AdminError> {
    let DbDriver::Embedded(embedded) = config.driver.clone() else { return Err(AdminError::NotEmbedded) };
    let options = server_options(config, *embedded);
    Ok(blocking(move || Inspection::of(options)).await.map_err(OpenError::from)?)
}

/// A way into the embedded database: into the running server of another process, or into one that was started for the
/// time being.
#[derive(Debug)]
pub struct EmbeddedAdmin {
    client: ConnectionInfo,
    driver: Option<DbServer>,
}

impl EmbeddedAdmin {
    /// Takes the server that runs, or starts it. There must be a database: none is created.
    ///
    /// # Errors
    /// [`AdminError`], in one line.
    pub async fn open(config: &DbConfig) -> Result<Self, AdminError> {
        if let Some(care) = Self::try_attach(config).await? {
            return Ok(care);
        }
        match Self::start(config).await {
            // Somebody was quicker, whose server will do as well.
            Err(error @ AdminError::InUse { .. }) => Self::try_attach(config).await?.ok_or(error),
            started => started,
        }
    }

    async fn try_attach(config: &DbConfig) -> Result<Option<Self>, AdminError> {
        let look = inspect(config).await?;
        let root = look.root().to_owned();
        match look.state() {
            ServerState::Absent => Err(AdminError::NotCreated { root }),
            ServerState::Busy => Err(AdminError::Busy { root }),
            ServerState::Running(running) => Ok(Some(Self::attach(running))),
            ServerState::Stopped { .. } => Ok(None),
        }
    }

    /// Takes this server and no other.
    pub fn attach(running: &RunningServer) -> Self {
        Self { client: running.connection.clone(), driver: None }
    }

    /// Starts the server for oneself alone, and creates it where there is none.
    ///
    /// # Errors
    /// [`AdminError::InUse`] where another process has it, and what else keeps it from starting.
    pub async fn start(config: &DbConfig) -> Result<Self, AdminError> {
        ensure_not_in_use(&inspect(config).await?)?;
        let driver = match DbServer::start(config.clone()).await {
            // Somebody was quicker.
            Err(OpenError::Embedded(embedded_postgres::Error::InUse { dir: folder })) => {
                ensure_not_in_use(&inspect(config).await?)?;
                return Err(AdminError::InUse { root: folder, owner: None });
            }
            started => started?,
        };
        let server = driver.server.as_ref().ok_or(AdminError::NotEmbedded)?;
        Ok(Self { client: server.connection_info(), driver: Some(driver) })
    }

    /// The way to the server, for the programs of its installation.
    pub fn connection_info(&self) -> &ConnectionInfo {
        &self.client
    }

    /// The name of the program's database.
    pub fn database(&self) -> &'static str {
        EMBEDDED_DATABASE
    }

    /// The migrations, as the owner.
    pub fn migrator(&self) -> Migrator {
        migrator(&self.client, EMBEDDED_DATABASE)
    }

    /// Says that the first-time set-up is complete, and no demo data is wanted.
    pub(super) fn mark_initialized(&self) -> Result<(), AdminError> {
        if let Some(server) = self.driver.as_ref().and_then(|driver| driver.server.as_ref()) {
            server.mark_initialized().map_err(OpenError::from)?;
        }
        Ok(())
    }

    /// Stops the server, if it was started for this.
    pub async fn close(self) {
        if let Some(driver) = self.driver {
            driver.stop().await;
        }
    }
}

/// A server that nobody holds any more is no obstacle: the start stops it first.
fn ensure_not_in_use(look: &Inspection) -> Result<(), AdminError> {
    let root = look.root().to_owned();
    match look.state() {
        ServerState::Running(running) if running.owner.is_some() => {
            let owner = running.owner.clone();
            Err(AdminError::InUse { root, owner })
        }
        ServerState::Busy => Err(AdminError::Busy { root }),
        _ => Ok(()),
    }
}

pub(super) fn migrator(client: &ConnectionInfo, database: &str) -> Migrator {
    Migrator::new(owner_options(client, database), client.superuser().to_owned())
}

pub(super) fn owner_options(client: &ConnectionInfo, database: &str) -> PgConnectOptions {
    // What isn't there to be removed is no news.
    plain_options(embedded_options(client).database(database)).options([("client_min_messages", "warning")])
}

/// What was found, what wrote the data, and the ways out.
pub(super) fn version_mismatch_message(folder: &Path, data: u32, found: &[Installation], configured: bool) -> String {
    let list: Vec<_> = found.iter().map(|one| format!("{} ({})", one.major(), one.bin_dir().display())).collect();
    let (whose, way) = match configured {
        true => ("POSTGRES_BIN_DIR names", format!("unset POSTGRES_BIN_DIR, or let it name PostgreSQL {data}")),
        false => {
            ("this machine has", format!("install PostgreSQL {data} beside it, or name its folder in POSTGRES_BIN_DIR"))
        }
    };
    // An older one reads no backup of a newer one either.
    let newer = found.iter().map(Installation::major).find(|major| *major > data);
    let move_on = newer.map(|newer| {
        format!(
            "; or move the data to {newer}: `tenantry db backup FILE` where {data} is installed, then here \
             `tenantry db restore FILE` with a new DATA_DIR"
        )
    });
    format!(
        "the data in {} was written by PostgreSQL {data}, and {whose} {}, which can't read it: {way} \
         (`apt install postgresql-{data}`){}",
        folder.display(),
        list.join(" and "),
        move_on.unwrap_or_default()
    )
}
