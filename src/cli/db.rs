//! `tenantry db …`: care of the embedded database, with the programs of the installation that serves it.

mod archive;
mod backup;
mod part;
mod psql;
mod restore;
mod status;
mod tool;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::Subcommand;

use super::Failure;
use crate::config::AppConfig;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Show whether the embedded database runs, where it is and what it is like; starts nothing
    Status {
        /// Show the last lines of its log, too
        #[arg(long, value_name = "LINES", num_args = 0..=1, default_missing_value = "20")]
        log: Option<usize>,
    },
    /// Write everything in the embedded database to a file; the program may go on serving
    Backup {
        /// The new file; unset: one named by the time, in the working directory
        file: Option<PathBuf>,
    },
    /// Put a backup in the place of everything in the embedded database; the program must not be serving
    ///
    /// The old data stays in place until the new is complete, so that a restore which fails costs nothing. What a backup
    /// holds is run with all rights: restore only those that you trust.
    Restore {
        /// A file that `tenantry db backup` wrote
        file: PathBuf,
        /// Don't ask before data is replaced
        #[arg(long)]
        yes: bool,
        /// Keep what is replaced, as a database named by the time
        #[arg(long)]
        keep: bool,
    },
    /// Run psql in the embedded database, as the superuser, who sees every tenant's rows and may change them
    Psql {
        /// Passed on to psql, such as -c 'SELECT …'
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

pub(super) async fn run(command: Command, config: AppConfig) -> Result<ExitCode, Failure> {
    match command {
        Command::Status { log } => status::run(log, config.db).await?,
        Command::Backup { file } => backup::run(file, config.db).await?,
        Command::Restore { file, yes, keep } => restore::run(restore::Wish { file, yes, keep }, config.db).await?,
        Command::Psql { args } => return psql::run(args, config.db).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{} KiB", tenths(1_024)),
        1_048_576..1_073_741_824 => format!("{} MiB", tenths(1_048_576)),
        _ => format!("{} GiB", tenths(1_073_741_824)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_the_unit_that_fits() {
        let shown = [0, 1_023, 1_024, 1_048_575, 1_572_864, 3_221_225_472].map(size);
        assert_eq!(shown, ["0 bytes", "1023 bytes", "1.0 KiB", "1023.9 KiB", "1.5 MiB", "3.0 GiB"]);
    }
}
