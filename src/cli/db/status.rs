//! `tenantry db status`

use std::time::Duration;

use embedded_postgres::{Holder, Look, Running, State};
use kernel::db::{Care, DbConfig, MigrationState, OpenError, look};

use super::{
    super::{Failure, say},
    size,
};

pub(super) async fn run(log: Option<usize>, config: DbConfig) -> Result<(), Failure> {
    let look = look(&config).await?;
    if let State::Absent = look.state() {
        say(format_args!("no embedded database yet at {}; the first start creates it", look.root().display()));
        row("PostgreSQL", programs(&look));
        return Ok(());
    }
    row("state", state(look.state()));
    row("folder", look.root().display().to_string());
    row("size", size(look.size().map_err(OpenError::from)?));
    row("PostgreSQL", programs(&look));
    row("migrations", migrations(&look, config.connect_timeout).await);
    row("log", look.log_file().display().to_string());
    if let Some(lines) = log {
        say("");
        look.log_lines(lines).map_err(OpenError::from)?.iter().for_each(say);
    }
    Ok(())
}

fn row(name: &str, words: String) {
    say(format_args!("{name:<11} {words}"));
}

fn state(state: &State) -> String {
    match state {
        State::Running(Running { pid, holder: Some(Holder { pid: holder, command }), .. }) => {
            format!("runs as process {pid}, for process {holder} ({command})")
        }
        State::Running(Running { pid, .. }) => {
            format!("runs as process {pid}, left behind by a program that was killed; the next start stops it")
        }
        State::Busy => "is being created, started or stopped".to_owned(),
        State::Stopped { .. } | State::Absent => "stopped".to_owned(),
    }
}

/// The version and its folder, or why there is none that fits.
fn programs(look: &Look) -> String {
    match look.installation() {
        Ok(installation) => format!("{} in {}", installation.major(), installation.folder().display()),
        Err(error) => OpenError::from(error).to_string(),
    }
}

/// Only a running server can be asked, and it may end at any moment.
async fn migrations(look: &Look, wait: Duration) -> String {
    let State::Running(running) = look.state() else {
        return "`tenantry migrate status` starts the database and asks it".to_owned();
    };
    match tokio::time::timeout(wait, Care::running(running).migrator().status()).await {
        Ok(Ok(all)) => {
            let count = |state| all.iter().filter(|migration| migration.state == state).count();
            let (applied, pending) = (count(MigrationState::Applied), count(MigrationState::Pending));
            match all.len() - applied - pending {
                0 => format!("{applied} applied, {pending} pending"),
                others => format!("{applied} applied, {pending} pending, {others} not of this program"),
            }
        }
        Ok(Err(error)) => format!("unknown: {error}"),
        Err(_) => "unknown: the database didn't answer in time".to_owned(),
    }
}
