//! Running a program of the installation to its end, or until somebody can't wait.

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

use super::super::{Failure, serve::Signals};

/// Does something, unless somebody can't wait: then it is dropped where it stands, and what it runs is ended.
pub(super) async fn or_interrupted<T, E: Into<Failure>>(
    signals: &mut Signals,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    tokio::select! {
        outcome = work => outcome.map_err(Into::into),
        () = signals.next() => Err("interrupted".into()),
    }
}

/// Runs it. Its standard error is kept for [`said`]; its standard output goes where the command says.
pub(super) async fn finish(mut command: Command) -> Result<Output, Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    // Not of this terminal's group: Ctrl-C is for this process to deal with.
    command.stderr(Stdio::piped()).process_group(0);
    let child = tokio::process::Command::from(command).spawn();
    let mut tool = Tool(child.map_err(|error| format!("{program} can't be run: {error}"))?);
    let (stdout, stderr) = (tool.0.stdout.take(), tool.0.stderr.take());
    let outcome = tokio::try_join!(tool.0.wait(), all(stdout), all(stderr));
    let (status, stdout, stderr) = outcome.map_err(|error| format!("{program} got lost: {error}"))?;
    Ok(Output { status, stdout, stderr })
}

/// Asked to end when it is dropped while it runs. Killed, it couldn't tell the server, which goes on with its statement
/// until it next has something to say to it.
struct Tool(Child);

impl Drop for Tool {
    fn drop(&mut self) {
        if let Some(pid) = self.0.id().and_then(|pid| i32::try_from(pid).ok()) {
            // It may have ended just now.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
    }
}

async fn all(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        stream.read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// The first error that it wrote, on one line. The lines after it may show people's data.
pub(super) fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.clone().find_map(|line| line.split_once("error: ").map(|(_, words)| words));
    first.or_else(|| lines.next()).map_or_else(|| output.status.to_string(), str::to_owned)
}
