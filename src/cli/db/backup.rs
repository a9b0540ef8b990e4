//! `tenantry db backup`

use std::path::{Path, PathBuf};

use db::{DbConfig, EmbeddedAdmin, MigrationState};
use indicatif::HumanBytes;
use time::{OffsetDateTime, macros::format_description};

use super::{
    super::{
        output::{CliError, print},
        signals::Signals,
    },
    dump_file,
    partial_file::PartialFile,
    subprocess::{cancellable, run_to_completion},
};

/// Limits how long `pg_dump` waits for a table that is locked by a migration.
const LOCK_TIMEOUT_ARG: &str = "--lock-wait-timeout=60s";

pub(super) async fn run(file: Option<PathBuf>, config: DbConfig) -> Result<(), CliError> {
    let mut signals = Signals::listen()?;
    let file = match file {
        Some(file) => file,
        None => default_name()?,
    };
    let admin = cancellable(&mut signals, EmbeddedAdmin::open(&config)).await?;
    let outcome = cancellable(&mut signals, dump(&admin, &file)).await;
    admin.close().await;
    outcome
}

/// Writes the backup. Leaves no file behind if it fails or is cancelled.
async fn dump(admin: &EmbeddedAdmin, file: &Path) -> Result<(), CliError> {
    let states = admin.migrator().status().await?;
    if !states.iter().any(|migration| migration.state != MigrationState::Pending) {
        return Err("nothing to back up: no migration has been applied, so the database has no tables".into());
    }
    let partial_file = PartialFile::create(file)?;
    let mut command = admin.connection_info().command("pg_dump", admin.database())?;
    command.args(["--format=custom", LOCK_TIMEOUT_ARG]).stdout(partial_file.to_stdio()?);
    print("dumping the database …");
    let outcome = run_to_completion(command).await?;
    outcome.map_err(|error| format!("backup failed, no file was written: {error}"))?;
    let dump_info = dump_file::read(admin.connection_info().installation(), partial_file.path()).await?;
    let size = HumanBytes(partial_file.persist()?);
    let (name, tables, version) = (file.display(), dump_info.tables, dump_info.version);
    print(format_args!("wrote {name}: {tables} tables, PostgreSQL {version}, {size}"));
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "only the name of the file depends on the time")]
fn default_name() -> Result<PathBuf, CliError> {
    let format = format_description!("tenantry-[year]-[month]-[day]-[hour][minute][second].dump");
    Ok(OffsetDateTime::now_utc().format(format)?.into())
}
