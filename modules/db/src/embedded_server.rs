//! Starting and stopping the embedded server.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use embedded_postgres::{ConnectionInfo, Options, Server};
use sqlx::{
    AssertSqlSafe, Connection, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::{
    DbConfig, EmbeddedConfig, OpenError, constants::EMBEDDED_DATABASE, database_url::Address, sqlstate::sqlstate,
};

/// Starts the server and creates the application's database unless it exists. Returns the connection options for it.
pub(super) async fn start(
    config: &DbConfig,
    embedded: EmbeddedConfig,
) -> Result<(Server, PgConnectOptions), OpenError> {
    // Cancels the download when the start is cancelled, so that it doesn't delay the shutdown.
    let _cancel_on_drop = embedded.download.as_ref().map(|download| CancelOnDrop(download.cancel.clone()));
    let options = server_options(config, embedded);
    let server = run_blocking(move || Server::start(options)).await?;
    log_newer_installation(&server);
    let options = embedded_options(server.connection_info());
    create_database(&options).await?;
    Ok((server, options.database(EMBEDDED_DATABASE)))
}

/// Options for starting and inspecting the embedded server.
pub(super) fn server_options(config: &DbConfig, embedded: EmbeddedConfig) -> Options {
    let EmbeddedConfig { root, bin_dir, search_path, download, durable } = embedded;
    Options {
        bin_dir,
        search_path,
        download,
        durable,
        max_connections: u16::try_from(config.pool_size).unwrap_or(u16::MAX).saturating_add(20),
        fallback_root_dir: "/var/lib/tenantry".into(),
        fallback_socket_prefix: "/tmp/tenantry-".into(),
        ..Options::new(root)
    }
}

/// A newer major version isn't used automatically, so the log tells the operator how to upgrade.
fn log_newer_installation(server: &Server) {
    if let Some(newer) = server.newer_installation() {
        tracing::info!(
            "PostgreSQL {} is also installed; the data was written by {} and stays with it. To upgrade, run \
             `tenantry db backup`, then `tenantry db restore` with a new DATA_DIR",
            newer.major(),
            server.major()
        );
    }
}

/// Sets the cancellation flag when dropped.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Returns the connection options for the embedded server. All are set explicitly, so that environment variables such as
/// `PGHOST` have no effect.
pub(super) fn embedded_options(connection_info: &ConnectionInfo) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(connection_info.socket_dir())
        .port(connection_info.port())
        .username(connection_info.superuser())
        .password("")
        .database("postgres")
        .ssl_mode(PgSslMode::Disable)
}

async fn create_database(options: &PgConnectOptions) -> Result<(), OpenError> {
    let mut connection = PgConnection::connect_with(options).await.map_err(OpenError::Other)?;
    let result =
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {EMBEDDED_DATABASE}"))).execute(&mut connection).await;
    match result {
        // A data directory with `standby.signal`.
        Err(error) if sqlstate(&error).as_deref() == Some("25006") => {
            Err(OpenError::Standby { address: Address(options).to_string() })
        }
        Err(error) if sqlstate(&error).as_deref() != Some("42P04") => Err(OpenError::Other(error)),
        _ => connection.close().await.map_err(OpenError::Other),
    }
}

pub(super) async fn stop(server: Server) {
    if let Err(error) = run_blocking(move || server.stop()).await {
        tracing::warn!(%error, "the embedded database did not shut down cleanly; it will recover on the next start");
    }
}

/// Runs blocking work on the runtime's thread pool for it.
pub(super) async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(output) => output,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
