//! The commands for the embedded database. They use the client programs of its installation.

mod restore;
mod status;

use std::{path::PathBuf, process::ExitCode};

use db::{DbConfig, EmbeddedAdmin};

use super::{
    super::{output::CliError, signals::Signals},
    backup,
    command::Command,
    psql,
    subprocess::cancellable,
};

pub(super) async fn run(command: Command, config: DbConfig) -> Result<ExitCode, CliError> {
    match command {
        Command::Status { log } => status::run(log, config).await?,
        Command::Backup { file } => back_up(file, config).await?,
        Command::Restore { file, yes, keep_old } => {
            restore::run(restore::RestoreArgs { file, yes, keep_old }, config).await?
        }
        Command::Psql { args } => {
            let admin = EmbeddedAdmin::open(&config).await?;
            let outcome = match admin.connection_info().command("psql", admin.database()) {
                Ok(psql) => psql::run(psql, args).await,
                Err(error) => Err(error.into()),
            };
            admin.close().await;
            return outcome;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn back_up(file: Option<PathBuf>, config: DbConfig) -> Result<(), CliError> {
    let mut signals = Signals::listen()?;
    let admin = cancellable(&mut signals, EmbeddedAdmin::open(&config)).await?;
    let outcome = cancellable(&mut signals, dump(&admin, file)).await;
    admin.close().await;
    outcome
}

async fn dump(admin: &EmbeddedAdmin, file: Option<PathBuf>) -> Result<(), CliError> {
    let installation = admin.connection_info().installation();
    let pg_dump = admin.connection_info().command("pg_dump", admin.database())?;
    let pg_restore = installation.command("pg_restore")?;
    backup::write(file, &admin.migrator(), pg_dump, pg_restore, installation.major()).await
}
