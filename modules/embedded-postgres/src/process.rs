//! The running server, under a shell that ends it when this process ends, however that happens.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::account::Account;
use crate::cluster::last_lines;
use crate::{Error, leftover, wait};

/// Our end of the shell's standard input is never written to. It closes when this process ends, SIGKILL included;
/// then the watcher wakes up and stops the server. The kernel's death signal (`PR_SET_PDEATHSIG`) isn't used: only Linux
/// has it, and it fires as soon as the thread that started the server ends.
///
/// - The watcher waits with `read`, not with `cat`: it has to be a single process, so that nothing is left of it when
///   the server ends first and the shell kills it. It mustn't outlive the server, whose process id may be reused.
/// - It sends TERM (wait for clients), then INT (don't). A shell starts background processes with INT ignored, so only
///   TERM ends a server that hasn't yet come to set up its own handling.
/// - The shell itself and the watcher ignore what a terminal or a service manager sends to everybody: they go when the
///   server is gone. PIPE is ignored because nobody may be left to read the process id.
/// - The log is opened here, by the user who owns it.
const SCRIPT: &str = r#"
umask 077
exec 3<&0 </dev/null 2>>"$1" || exit
shift
{ exec "$@" 3<&- >&2; } &
server=$!
trap '' HUP INT PIPE TERM
{ while read -r line <&3; do :; done; kill -TERM "$server"; kill -INT "$server"; } >/dev/null 2>&1 &
watcher=$!
exec 3<&-
echo "$server"
exec >/dev/null
wait "$server"
status=$?
kill -KILL "$watcher" 2>/dev/null
wait "$watcher" 2>/dev/null
exit "$status"
"#;

/// How much of the log is read for an error message.
const TAIL: u64 = 8 * 1024;
/// From the server's end to the shell's.
const SHELL_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Process {
    shell: Child,
    pid: u32,
    log: PathBuf,
    /// The length of the log before this start.
    log_start: u64,
}

impl Process {
    /// Starts the server in a process group of its own, so that Ctrl-C in a terminal reaches only this process. It
    /// isn't ready yet.
    pub(crate) fn spawn(
        account: &Account,
        log: PathBuf,
        program: &Path,
        arguments: Vec<OsString>,
    ) -> Result<Self, Error> {
        let log_start = fs::metadata(&log).map_or(0, |metadata| metadata.len());
        let mut command = account.command("/bin/sh");
        command.args(["-c", SCRIPT, "sh"]).arg(&log).arg(program).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut shell = command.spawn().map_err(account.not_run(program))?;
        let mut line = String::new();
        if let Some(stdout) = shell.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(Error::file("started", program))?;
        }
        let mut process = Self { shell, pid: 0, log, log_start };
        match line.trim().parse() {
            Ok(pid) => process.pid = pid,
            Err(_) => {
                drop(process.shell.stdin.take());
                process.shell.wait().map_err(Error::file("started", program))?;
                return Err(process.ended());
            }
        }
        Ok(process)
    }

    /// The server's process id, which isn't the shell's.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until the server accepts connections. A `postmaster.pid` counts only if it names this very process: one
    /// that was left behind may say `ready` as well.
    pub(crate) fn wait_until_ready(&mut self, data: &Path, deadline: Instant) -> Result<bool, Error> {
        let file = data.join("postmaster.pid");
        wait::until_true(deadline, || {
            if self.shell.try_wait().map_err(Error::file("watched", &file))?.is_some() {
                return Err(self.ended());
            }
            Ok(fs::read_to_string(&file).is_ok_and(|text| is_ready(&text, self.pid)))
        })
    }

    /// Stops the server, and returns when no process of it is left.
    pub(crate) fn end(mut self, data: &Path, patience: Duration) -> Result<(), Error> {
        drop(self.shell.stdin.take());
        // The watcher does as much, but it or the shell may have been killed, and it has no patience to run out of.
        leftover::end("postgres", self.pid, data, patience)?;
        let shell = Path::new("/bin/sh");
        let deadline = Instant::now() + SHELL_PATIENCE;
        let mut status = || self.shell.try_wait().map_err(Error::file("awaited", shell));
        if !wait::until_true(deadline, || Ok(status()?.is_some()))? {
            self.shell.kill().and_then(|()| self.shell.wait()).map_err(Error::file("ended", shell))?;
        }
        Ok(())
    }

    /// What the server has written since this start, the last lines.
    pub(crate) fn last_lines(&self) -> String {
        let read = || {
            let mut file = File::open(&self.log)?;
            let start = self.log_start.max(file.metadata()?.len().saturating_sub(TAIL));
            file.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::new();
            file.take(TAIL).read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(bytes)
        };
        last_lines(&String::from_utf8_lossy(&read().unwrap_or_default()))
    }

    fn ended(&self) -> Error {
        Error::Ended { log: self.log.clone(), last_lines: self.last_lines() }
    }
}

/// Whether a failed start is worth another try: the server before it was on its way out, but not yet to be found by
/// its `postmaster.pid` (killed before it wrote that, or gone before its own children).
pub(crate) fn is_passing(error: &Error) -> bool {
    let Error::Ended { last_lines, .. } = error else { return false };
    ["already exists", "is still in use"].iter().any(|words| last_lines.contains(words))
}

/// The first line is the process id, the eighth the state.
pub(crate) fn is_ready(postmaster_pid: &str, pid: u32) -> bool {
    let mut lines = postmaster_pid.lines().map(str::trim);
    lines.next() == Some(pid.to_string().as_str()) && lines.nth(6) == Some("ready")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_process_that_was_started_can_be_ready() {
        let file = |state| format!("42\n/data\n1700000000\n5432\n/socket\n\n  5432001  65537\n{state}\n");
        assert!(is_ready(&file("ready   "), 42));
        assert!(!is_ready(&file("starting"), 42));
        assert!(!is_ready(&file("ready   "), 43));
        assert!(!is_ready("42\n", 42));
    }
}
