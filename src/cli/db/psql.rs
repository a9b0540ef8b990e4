//! `tenantry db psql`

use std::{
    ffi::OsString,
    process::{ExitCode, ExitStatus, Stdio},
};

use kernel::db::{Care, DbConfig};
use tokio::signal::unix::{SignalKind, signal};

use super::super::Failure;
use crate::config;

pub(super) async fn run(args: Vec<OsString>, config: DbConfig) -> Result<ExitCode, Failure> {
    let care = Care::open(&config).await?;
    let outcome = talk(&care, args).await;
    care.close().await;
    let code = outcome?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Not in the place of this process: a server that was started for it ends with this process.
async fn talk(care: &Care, args: Vec<OsString>) -> Result<ExitStatus, Failure> {
    let mut command = care.client().command("psql", care.database())?;
    command.env_remove("LC_ALL").envs(config::terminal()).args(args).stdin(Stdio::inherit());
    // In a terminal it gets Ctrl-C as well, and ends a query by it rather than itself.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(status?),
            _ = interrupt.recv() => {}
            _ = terminate.recv() => child.start_kill()?,
        }
    }
}
