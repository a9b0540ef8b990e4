//! `tenantry db backup`

use std::path::{Path, PathBuf};

use kernel::db::{Care, DbConfig, MigrationState};
use time::{OffsetDateTime, macros::format_description};

use super::{
    super::{Failure, say, serve::Signals},
    archive,
    part::Part,
    size,
    tool::{finish, or_interrupted, said},
};

/// How long to wait for a table that a migration is changing.
const LOCK_WAIT: &str = "--lock-wait-timeout=60s";

pub(super) async fn run(file: Option<PathBuf>, config: DbConfig) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let file = match file {
        Some(file) => file,
        None => default_name()?,
    };
    let care = or_interrupted(&mut signals, Care::open(&config)).await?;
    let outcome = or_interrupted(&mut signals, dump(&care, &file)).await;
    care.close().await;
    outcome
}

/// Given up, it leaves nothing.
async fn dump(care: &Care, file: &Path) -> Result<(), Failure> {
    let states = care.migrator().status().await?;
    if !states.iter().any(|migration| migration.state != MigrationState::Pending) {
        return Err("there is nothing to back up yet: the database has no tables".into());
    }
    let part = Part::begin(file)?;
    let mut command = care.client().command("pg_dump", care.database())?;
    command.args(["--format=custom", LOCK_WAIT]).stdout(part.output()?);
    say("dumping the database …");
    let output = finish(command).await?;
    if !output.status.success() {
        return Err(format!("the backup failed, and nothing was written: {}", said(&output)).into());
    }
    let contents = archive::read(care.client().installation(), part.path()).await?;
    let bytes = part.finish()?;
    let (name, size, tables, version) = (file.display(), size(bytes), contents.tables, contents.version);
    say(format_args!("wrote {name}: {tables} tables of PostgreSQL {version}, {size}"));
    Ok(())
}

fn default_name() -> Result<PathBuf, Failure> {
    let format = format_description!("tenantry-[year]-[month]-[day]-[hour][minute][second].dump");
    Ok(OffsetDateTime::now_utc().format(format)?.into())
}
