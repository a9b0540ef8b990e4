//! `tenantry migrate …`

use clap::Subcommand;
use db::{DbServer, MigrationState, MigrationStatus, Migrator};

use super::output::{CliError, print, table};
use crate::config::AppConfig;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Apply pending migrations
    Run {
        /// Only print the migrations that would be applied
        #[arg(long)]
        dry_run: bool,
    },
    /// List all migrations with their state
    Status,
    /// Revert the latest migrations, which deletes the data in their tables
    Revert {
        /// Number of migrations to revert
        #[arg(long, default_value_t = 1)]
        steps: usize,
    },
}

const NOTHING_TO_APPLY: &str = "nothing to apply: the schema is current";

pub(super) async fn run(command: Command, config: AppConfig) -> Result<(), CliError> {
    let server = DbServer::start(config.db).await?;
    let outcome = execute(command, &server.migrator()).await;
    server.stop().await;
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
                    MigrationState::Changed => "applied, but its file has changed",
                    MigrationState::Unknown => "applied by a newer version of the program",
                };
                vec![format!("{:04}", s.version), s.name, state.into()]
            });
            print(table(&["migration", "owner", "state"], rows));
        }
    }
    Ok(())
}

fn report(action: &str, if_empty: &str, migrations: &[MigrationStatus]) {
    for MigrationStatus { version, name, .. } in migrations {
        print(format_args!("{action} {version:04} {name}"));
    }
    if migrations.is_empty() {
        print(if_empty);
    }
}
