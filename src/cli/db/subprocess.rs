//! Runs client programs of the installation, such as `pg_dump`, until they exit or the command is interrupted.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Command, Output, Stdio},
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

/// Runs a command and waits for it. Captures standard error for [`first_error_line`]; standard output goes where the
/// command directs it.
pub(super) async fn run_to_completion(mut command: Command) -> Result<Output, CliError> {
    let program = command.get_program().to_string_lossy().into_owned();
    // Its own process group, so that Ctrl-C in the terminal reaches only this process.
    command.stderr(Stdio::piped()).process_group(0);
    let child = tokio::process::Command::from(command).spawn();
    let mut child = TerminateOnDrop(child.map_err(|error| format!("{program} can't be run: {error}"))?);
    let (stdout, stderr) = (child.0.stdout.take(), child.0.stderr.take());
    let outcome = tokio::try_join!(child.0.wait(), read_all(stdout), read_all(stderr));
    let (status, stdout, stderr) = outcome.map_err(|error| format!("lost contact with {program}: {error}"))?;
    Ok(Output { status, stdout, stderr })
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

/// Returns the first error line on standard error, or the exit status. Later lines may contain user data.
pub(super) fn first_error_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.clone().find_map(|line| line.split_once("error: ").map(|(_, message)| message));
    first.or_else(|| lines.next()).map_or_else(|| output.status.to_string(), str::to_owned)
}
