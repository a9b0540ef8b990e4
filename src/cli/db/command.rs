//! The subcommands of `tenantry db` and their arguments.

use std::{ffi::OsString, path::PathBuf};

use clap::Subcommand;

use crate::config::whole_number;

const MAX_LOG_LINES: usize = 10_000;

#[derive(Subcommand)]
pub(in crate::cli) enum Command {
    /// Show the state, location, size and migrations of the database, without starting it
    Status {
        /// Also show the last lines of the embedded database's log
        #[arg(long, value_name = "LINES", num_args = 0..=1, default_missing_value = "20", value_parser = |text: &str| whole_number(0..=MAX_LOG_LINES)(text))]
        log: Option<usize>,
    },
    /// Back up the database to a file; the server may be running
    ///
    /// The backup of an external server needs a login that bypasses row-level security (BACKUP_DATABASE_URL), and the
    /// client programs of that server's version or a newer one in PATH.
    Backup {
        /// File to create [default: tenantry-<UTC time>.dump in the working directory]
        file: Option<PathBuf>,
    },
    /// Replace the embedded database with a backup, or restore a backup into an empty database of an external server
    ///
    /// A failed restore changes nothing. The embedded server must be stopped, and its old data stays in place until the
    /// restore is complete. A backup is restored with the privileges of a superuser or of the owner and may run arbitrary
    /// code: restore only backups that you trust.
    Restore {
        /// File created by `tenantry db backup`
        file: PathBuf,
        /// Replace existing data of the embedded database without asking
        #[arg(long)]
        yes: bool,
        /// Keep the old data of the embedded database as a separate database, named after the current time
        #[arg(long)]
        keep_old: bool,
    },
    /// Run psql, which may change every tenant's rows
    ///
    /// On the embedded database, it logs in as the superuser, who sees every tenant's rows. On an external server, it logs in
    /// as the owner (MIGRATION_DATABASE_URL), who sees them after SET ROLE to the role for system transactions.
    Psql {
        /// Arguments passed to psql, such as -c 'SELECT …'
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}
