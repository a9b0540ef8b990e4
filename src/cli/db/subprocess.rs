//! Runs client programs, such as `pg_dump`, until they exit or the command is interrupted.

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
    process::{Child, ChildStdin, ChildStdout},
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
pub(super) async fn run_to_completion(command: Command) -> Result<Result<String, String>, CliError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = start(command)?;
    let stdout = child.stdout();
    let outcome = tokio::try_join!(read_all(stdout), child.wait());
    let (stdout, result) = outcome.map_err(|error| format!("lost contact with {program}: {error}"))?;
    Ok(result.map(|()| String::from_utf8_lossy(&stdout).into_owned()))
}

/// Starts a command. It is terminated when the returned value is dropped.
pub(super) fn start(mut command: Command) -> Result<Subprocess, CliError> {
    let program = command.get_program().to_string_lossy().into_owned();
    // Its own process group, so that Ctrl-C in the terminal reaches only this process.
    command.stderr(Stdio::piped()).process_group(0);
    let child = tokio::process::Command::from(command).spawn();
    Ok(Subprocess(child.map_err(|error| format!("{program} can't be run: {error}"))?))
}

/// Returns the first message with the severity of an error, or the first line. psql prints the messages of the server.
fn first_error_line(stderr: &[u8], status: ExitStatus) -> String {
    let text = String::from_utf8_lossy(stderr);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let message = |line: &'_ str| {
        let severities = ["error: ", "ERROR:  ", "FATAL:  "];
        severities.iter().find_map(|severity| line.split_once(severity).map(|(_, message)| message.to_owned()))
    };
    let first = lines.clone().find_map(message);
    first.or_else(|| lines.next().map(str::to_owned)).unwrap_or_else(|| status.to_string())
}

/// A running client program. Sends SIGTERM to it on drop if it is still running.
///
/// SIGKILL would not do: a killed client can't cancel its statement, and the server continues to execute it until it next
/// writes to the connection.
pub(super) struct Subprocess(Child);

impl Subprocess {
    /// Takes its standard input, if piped.
    pub(super) fn stdin(&mut self) -> Option<ChildStdin> {
        self.0.stdin.take()
    }

    /// Takes its standard output, if piped.
    pub(super) fn stdout(&mut self) -> Option<ChildStdout> {
        self.0.stdout.take()
    }

    /// Waits for its end. If it fails, returns the reason, see [`run_to_completion`].
    pub(super) async fn wait(&mut self) -> io::Result<Result<(), String>> {
        let stderr = self.0.stderr.take();
        let (status, stderr) = tokio::try_join!(self.0.wait(), read_all(stderr))?;
        Ok(if status.success() { Ok(()) } else { Err(first_error_line(&stderr, status)) })
    }
}

impl Drop for Subprocess {
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
