//! `tenantry db status` of the embedded database.

use std::time::Duration;

use db::{DbConfig, EmbeddedAdmin, OpenError, inspect};
use embedded_postgres::{Inspection, OwnerProcess, RunningServer, ServerState};
use indicatif::HumanBytes;

use super::super::{
    super::output::{CliError, print},
    status_rows::{migration_counts, print_row},
};

pub(super) async fn run(log: Option<usize>, config: DbConfig) -> Result<(), CliError> {
    let inspection = inspect(&config).await?;
    if let ServerState::Absent = inspection.state() {
        print(format_args!("no embedded database yet at {}; the first start creates it", inspection.root().display()));
        print_row("PostgreSQL", installation(&inspection));
        return Ok(());
    }
    print_row("state", state(inspection.state()));
    print_row("directory", inspection.root().display().to_string());
    print_row("size", HumanBytes(inspection.size().map_err(OpenError::from)?).to_string());
    print_row("PostgreSQL", installation(&inspection));
    print_row("migrations", migrations(&inspection, config.connect_timeout).await);
    print_row("log", inspection.log_file().display().to_string());
    if let Some(lines) = log {
        print("");
        inspection.log_lines(lines).map_err(OpenError::from)?.iter().for_each(print);
    }
    Ok(())
}

fn state(state: &ServerState) -> String {
    match state {
        ServerState::Running(RunningServer { pid, owner: Some(OwnerProcess { pid: owner_pid, command }), .. }) => {
            format!("running as process {pid}, owned by process {owner_pid} ({command})")
        }
        ServerState::Running(RunningServer { pid, .. }) => {
            format!("running as process {pid}, orphaned by a killed process; the next start stops it")
        }
        ServerState::Busy => "being created, started or stopped".to_owned(),
        ServerState::Stopped { .. } | ServerState::Absent => "stopped".to_owned(),
    }
}

/// Returns the major version and directory of the installation, or the reason why no installation is usable.
fn installation(inspection: &Inspection) -> String {
    match inspection.installation() {
        Ok(installation) => format!("{} in {}", installation.major(), installation.bin_dir().display()),
        Err(error) => OpenError::from(error).to_string(),
    }
}

/// Counts the migrations. Queries only a server that is already running, which may stop at any moment.
async fn migrations(inspection: &Inspection, timeout: Duration) -> String {
    let ServerState::Running(running) = inspection.state() else {
        return "unknown while stopped; `tenantry migrate status` starts the database".to_owned();
    };
    match tokio::time::timeout(timeout, EmbeddedAdmin::attach(running).migrator().status()).await {
        Ok(Ok(all)) => migration_counts(&all),
        Ok(Err(error)) => format!("unknown: {error}"),
        Err(_) => "unknown: the database did not respond in time".to_owned(),
    }
}
