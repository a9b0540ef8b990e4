//! `tenantry db …`: administration of the database with PostgreSQL's client programs.

mod backup;
mod client_programs;
mod command;
mod dump_file;
#[cfg(feature = "embedded")]
mod embedded;
mod external;
mod partial_file;
mod psql;
mod restore_script;
mod status_rows;
mod subprocess;

use std::process::ExitCode;

use db::DbDriver;

pub(super) use self::command::Command;
use super::output::CliError;
use crate::config::AppConfig;

pub(super) async fn run(command: Command, config: AppConfig) -> Result<ExitCode, CliError> {
    match config.db.driver.clone() {
        #[cfg(feature = "embedded")]
        DbDriver::Embedded(_) => embedded::run(command, config.db).await,
        DbDriver::Postgres(postgres) => external::run(command, &config.db, &postgres).await,
    }
}
