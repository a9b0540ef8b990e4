//! Runs an interactive psql.

use std::{
    ffi::OsString,
    process::{Command, ExitCode, Stdio},
};

use tokio::signal::unix::{SignalKind, signal};

use super::super::output::CliError;
use crate::config;

/// Runs psql as a child process and returns its exit code. An `exec` would not do: an embedded server that was started for
/// this command ends with this process.
pub(super) async fn run(mut command: Command, args: Vec<OsString>) -> Result<ExitCode, CliError> {
    command.env_remove("LC_ALL").envs(config::client_env()).args(args).stdin(Stdio::inherit());
    // Ctrl-C in a terminal also reaches psql, which cancels its query and continues. This process must not exit then.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => child.start_kill()?,
        }
    };
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
