//! The server process, supervised by a shell that stops it when this process ends for any reason.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::server_user::ServerUser;
use crate::system::{last_lines, poll_until, read_tail};
use crate::{Error, orphan};

/// Script of the supervising shell.
///
/// This process holds the write end of the shell's standard input and never writes to it. The pipe closes when this
/// process ends, even by SIGKILL; then the watcher (the background loop) wakes up and stops the server. The parent
/// death signal (`PR_SET_PDEATHSIG`) isn't used: it exists only on Linux and is sent when the thread that started the
/// server exits.
///
/// - The watcher waits with `read` rather than `cat`, so that it is a single process and nothing remains when the shell
///   kills it. It must not outlive the server, whose process id may be reused.
/// - It sends SIGTERM (smart shutdown), then SIGINT (fast shutdown). A shell starts background processes with SIGINT
///   ignored, so only SIGTERM stops a server that hasn't installed its signal handlers yet.
/// - The shell and the watcher ignore signals that a terminal or service manager sends to the whole process group. They
///   exit after the server. SIGPIPE is ignored because the reader of the process id may be gone.
/// - The shell opens the log, since it runs as the user that owns the file.
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

/// Maximum number of bytes of the log to read for an error message.
const MAX_LOG_TAIL: u64 = 8 * 1024;
/// Maximum time between the exit of the server and that of the shell.
const SHELL_EXIT_TIMEOUT: Duration = Duration::from_secs(5);

/// A started server process and its supervising shell.
#[derive(Debug)]
pub(crate) struct Process {
    shell: Child,
    pid: u32,
    log: PathBuf,
    /// Length of the log before this start, in bytes.
    log_start: u64,
}

impl Process {
    /// Starts the server in a new process group, so that Ctrl-C in a terminal reaches only this process. Doesn't wait
    /// until the server is ready.
    pub(crate) fn start(
        user: &ServerUser,
        log: PathBuf,
        program: &Path,
        arguments: Vec<OsString>,
    ) -> Result<Self, Error> {
        let log_start = fs::metadata(&log).map_or(0, |metadata| metadata.len());
        let mut command = user.command("/bin/sh");
        command.args(["-c", SCRIPT, "sh"]).arg(&log).arg(program).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut shell = command.spawn().map_err(user.start_failed(program))?;
        let mut line = String::new();
        if let Some(stdout) = shell.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(Error::io("start", program))?;
        }
        let Ok(pid) = line.trim().parse() else {
            drop(shell.stdin.take());
            shell.wait().map_err(Error::io("start", program))?;
            return Err(Error::ExitedEarly { last_lines: last_log_lines(&log, log_start), log });
        };
        Ok(Self { shell, pid, log, log_start })
    }

    /// Returns the process id of the server, not of the shell.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until the server accepts connections; returns `false` at the deadline.
    pub(crate) fn wait_until_ready(&mut self, data_dir: &Path, deadline: Instant) -> Result<bool, Error> {
        poll_until(deadline, || {
            if self.shell.try_wait().map_err(Error::io("wait for", Path::new("/bin/sh")))?.is_some() {
                return Err(Error::ExitedEarly { log: self.log.clone(), last_lines: self.last_lines() });
            }
            Ok(orphan::is_ready(data_dir, self.pid))
        })
    }

    /// Stops the server and waits until all of its processes have exited.
    pub(crate) fn stop(mut self, data_dir: &Path, timeout: Duration) -> Result<(), Error> {
        drop(self.shell.stdin.take());
        // The watcher stops the server too, but it may have been killed, and it has no timeout.
        orphan::terminate("postgres", self.pid, data_dir, timeout)?;
        let shell = Path::new("/bin/sh");
        let deadline = Instant::now() + SHELL_EXIT_TIMEOUT;
        let mut status = || self.shell.try_wait().map_err(Error::io("wait for", shell));
        if !poll_until(deadline, || Ok(status()?.is_some()))? {
            self.shell.kill().and_then(|()| self.shell.wait()).map_err(Error::io("kill", shell))?;
        }
        Ok(())
    }

    /// Returns the last lines of what the server has logged since this start.
    pub(crate) fn last_lines(&self) -> String {
        last_log_lines(&self.log, self.log_start)
    }
}

fn last_log_lines(log: &Path, start: u64) -> String {
    let tail = File::open(log).and_then(|file| read_tail(file, start, MAX_LOG_TAIL));
    last_lines(&tail.unwrap_or_default())
}

/// Returns whether a failed start should be retried because a previous server is still exiting. Such a server can't be
/// found through `postmaster.pid` if it was killed before it wrote the file, or if its child processes outlive it.
pub(crate) fn is_transient(error: &Error) -> bool {
    let Error::ExitedEarly { last_lines, .. } = error else { return false };
    ["already exists", "is still in use"].iter().any(|message| last_lines.contains(message))
}
