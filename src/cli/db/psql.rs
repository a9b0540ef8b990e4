//! `tenantry db psql`

use std::{
    ffi::OsString,
    process::{ExitCode, ExitStatus, Stdio},
};

use db::{DbConfig, EmbeddedAdmin};
use tokio::signal::unix::{SignalKind, signal};

use super::super::output::CliError;
use crate::config;

pub(super) async fn run(args: Vec<OsString>, config: DbConfig) -> Result<ExitCode, CliError> {
    let admin = EmbeddedAdmin::open(&config).await?;
    let outcome = run_psql(&admin, args).await;
    admin.close().await;
    let code = outcome?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Runs psql as a child process. An `exec` would not do: a server started for this command ends with this process.
async fn run_psql(admin: &EmbeddedAdmin, args: Vec<OsString>) -> Result<ExitStatus, CliError> {
    let mut command = admin.connection_info().command("psql", admin.database())?;
    command.env_remove("LC_ALL").envs(config::psql_env()).args(args).stdin(Stdio::inherit());
    // Ctrl-C in a terminal also reaches psql, which cancels its query and continues. This process must not exit then.
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
