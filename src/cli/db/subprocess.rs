//! Runs client programs of the installation, such as `pg_dump`, until they exit or the command is interrupted.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Command, ExitStatus, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Child,
};

use super::super::{output::CliError, signals::Signals};

/// Runs `work` until it completes or a signal arrives. A signal drops it, which terminates its subprocess.
pub(super) async fn cancellable<T, E: Into<CliError>>(
    signals: &mut Signals,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, CliError> {
    tokio::select! {
        outcome = work => outcome.map_err(Into::into),
        () = signals.next() => Err("interrupted".into()),
    }
}

/// Runs a command and waits for it. Returns its standard output, which is empty unless the command pipes it.
///
/// If the command fails, returns the first error line on standard error, or the exit status. Later lines may contain
/// user data.
pub(super) async fn run_to_completion(mut command: Command) -> Result<Result<String, String>, CliError> {
    let program = command.get_program().to_string_lossy().into_owned();
    // Its own process group, so that Ctrl-C in the terminal reaches only this process.
    command.stderr(Stdio::piped()).process_group(0);
    let child = tokio::process::Command::from(command).spawn();
    let mut child = TerminateOnDrop(child.map_err(|error| format!("{program} can't be run: {error}"))?);
    let (stdout, stderr) = (child.0.stdout.take(), child.0.stderr.take());
    let outcome = tokio::try_join!(child.0.wait(), read_all(stdout), read_all(stderr));
    let (status, stdout, stderr) = outcome.map_err(|error| format!("lost contact with {program}: {error}"))?;
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    Ok(if status.success() { Ok(stdout) } else { Err(first_error_line(&stderr, status)) })
}

fn first_error_line(stderr: &[u8], status: ExitStatus) -> String {
    let text = String::from_utf8_lossy(stderr);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.clone().find_map(|line| line.split_once("error: ").map(|(_, message)| message));
    first.or_else(|| lines.next()).map_or_else(|| status.to_string(), str::to_owned)
}

/// Sends SIGTERM to the process on drop if it is still running.
///
/// SIGKILL would not do: a killed client can't cancel its statement, and the server continues to execute it until it next
/// writes to the connection.
struct TerminateOnDrop(Child);

impl Drop for TerminateOnDrop {
    fn drop(&mut self) {
        if let Some(pid) = self.0.id().and_then(|pid| i32::try_from(pid).ok()) {
            // Fails if the process has just exited.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
    }
}

async fn read_all(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        stream.read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}
