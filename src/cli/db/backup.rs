//! Writes a backup with `pg_dump`.

use std::{path::PathBuf, process::Command};

use db::Migrator;
use indicatif::HumanBytes;
use time::{OffsetDateTime, macros::format_description};

use super::{
    super::output::{CliError, print},
    dump_file,
    partial_file::PartialFile,
    subprocess::run_to_completion,
};

/// Limits how long `pg_dump` waits for a table that is locked by a migration.
const LOCK_TIMEOUT_ARG: &str = "--lock-wait-timeout=60s";

/// Writes the backup with a `pg_dump` that connects to the database, and checks it with a `pg_restore` of this major
/// version. Leaves no file behind if it fails or is cancelled.
pub(super) async fn write(
    file: Option<PathBuf>,
    migrator: &Migrator,
    mut pg_dump: Command,
    pg_restore: Command,
    major: u32,
) -> Result<(), CliError> {
    let file = match file {
        Some(file) => file,
        None => default_name()?,
    };
    let versions = migrator.versions_to_back_up().await?;
    let partial_file = PartialFile::create(&file)?;
    // pg_dump turns row_security off, so a login that doesn't see all rows is an error.
    pg_dump.args(["--format=custom", LOCK_TIMEOUT_ARG]).stdout(partial_file.to_stdio()?);
    print("dumping the database …");
    let outcome = run_to_completion(pg_dump).await?;
    outcome.map_err(|error| format!("backup failed, no file was written: {error}"))?;
    let dump_info = dump_file::read(pg_restore, major, partial_file.path()).await?;
    if migrator.versions_to_back_up().await? != versions {
        return Err("migrations were applied during the backup, no file was written; try again".into());
    }
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
