//! `tenantry migrate …`

use clap::Subcommand;
use kernel::db::{DbServer, MigrationState, MigrationStatus, Migrator};

use super::{CliError, print, table};
use crate::config::AppConfig;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Apply what is pending
    Run {
        /// Only say what would be applied
        #[arg(long)]
        dry_run: bool,
    },
    /// Show each migration and whether it is applied
    Status,
    /// Take back the newest migrations, with the data in their tables
    Revert {
        /// How many
        #[arg(long, default_value_t = 1)]
        steps: usize,
    },
}

/// What is said where there is nothing to do.
const NOTHING_TO_APPLY: &str = "nothing to apply: the schema is current";

pub(super) async fn run(command: Command, config: AppConfig) -> Result<(), CliError> {
    let driver = DbServer::start(config.db).await?;
    let outcome = execute(command, &driver.migrator()).await;
    driver.stop().await;
    outcome
}

async fn execute(command: Command, migrator: &Migrator) -> Result<(), CliError> {
    match command {
        Command::Run { dry_run: true } => report("would apply", NOTHING_TO_APPLY, &migrator.plan().await?),
        Command::Run { dry_run: false } => report("applied", NOTHING_TO_APPLY, &migrator.run().await?),
        Command::Revert { steps } => report("reverted", "nothing to revert", &migrator.revert(steps).await?),
        Command::Status => {
            let rows = migrator.status().await?.into_iter().map(|s| {
                let state = match s.state {
                    MigrationState::Applied => "applied",
                    MigrationState::Pending => "pending",
                    MigrationState::Changed => "applied, but its file has changed since",
                    MigrationState::Unknown => "applied by a newer program",
                };
                vec![format!("{:04}", s.version), s.name, state.into()]
            });
            print(table(&["migration", "owner", "state"], rows));
        }
    }
    Ok(())
}

fn report(done: &str, nothing: &str, migrations: &[MigrationStatus]) {
    for MigrationStatus { version, name, .. } in migrations {
        print(format_args!("{done} {version:04} {name}"));
    }
    if migrations.is_empty() {
        print(nothing);
    }
}
