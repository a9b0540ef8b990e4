//! `tenantry db …`: administration of the embedded database, using the client programs of its installation.

mod backup;
mod dump_file;
mod partial_file;
mod psql;
mod restore;
mod status;
mod subprocess;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::Subcommand;

use super::output::CliError;
use crate::config::AppConfig;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Show the state, location, size and migrations of the embedded database, without starting it
    Status {
        /// Also show the last lines of its log
        #[arg(long, value_name = "LINES", num_args = 0..=1, default_missing_value = "20")]
        log: Option<usize>,
    },
    /// Back up the embedded database to a file; the server may be running
    Backup {
        /// File to create [default: tenantry-<UTC time>.dump in the working directory]
        file: Option<PathBuf>,
    },
    /// Replace the embedded database with a backup; the server must be stopped
    ///
    /// The old data stays in place until the restore is complete, so a failed restore changes nothing. A backup is
    /// restored with superuser privileges and may run arbitrary code: restore only backups that you trust.
    Restore {
        /// File created by `tenantry db backup`
        file: PathBuf,
        /// Replace existing data without asking
        #[arg(long)]
        yes: bool,
        /// Keep the old data as a separate database, named after the current time
        #[arg(long)]
        keep_old: bool,
    },
    /// Run psql on the embedded database as the superuser, which sees every tenant's rows and may change them
    Psql {
        /// Arguments passed to psql, such as -c 'SELECT …'
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

pub(super) async fn run(command: Command, config: AppConfig) -> Result<ExitCode, CliError> {
    match command {
        Command::Status { log } => status::run(log, config.db).await?,
        Command::Backup { file } => backup::run(file, config.db).await?,
        Command::Restore { file, yes, keep_old } => {
            restore::run(restore::RestoreArgs { file, yes, keep_old }, config.db).await?
        }
        Command::Psql { args } => return psql::run(args, config.db).await,
    }
    Ok(ExitCode::SUCCESS)
}
