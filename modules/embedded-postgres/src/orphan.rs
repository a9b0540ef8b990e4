//! The server or `initdb` of a data directory, which a killed run may have left behind.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};

use crate::Error;
use crate::proc_table::{is_running_on, process_exists, to_pid};
use crate::system::{if_exists, poll_until, remove_file};

/// Stops the server of this data directory that `postmaster.pid` names, and waits until it has exited.
///
/// If the process id was reused by an unrelated process, only the file is removed. If no process has the id, the file
/// stays: PostgreSQL removes it itself, after checking that no other process of that server still uses its shared
/// memory.
pub(crate) fn stop_orphaned_server(data_dir: &Path, timeout: Duration) -> Result<(), Error> {
    let file = data_dir.join("postmaster.pid");
    let Some(pid) = read_pid(&file)? else { return Ok(()) };
    if terminate("postgres", pid, data_dir, timeout)? {
        tracing::warn!(pid, data_dir = %data_dir.display(), "stopped an orphaned database server");
    } else if process_exists(pid) {
        tracing::warn!(pid, file = %file.display(), "removed a stale pid file that names an unrelated process");
        remove_file(&file)?;
    }
    Ok(())
}

/// Stops the `initdb` of this data directory that the marker names, and waits until it has exited.
pub(crate) fn stop_orphaned_initdb(marker: &Path, data_dir: &Path, timeout: Duration) -> Result<(), Error> {
    let Some(pid) = read_pid(marker)? else { return Ok(()) };
    terminate("initdb", pid, data_dir, timeout).map(drop)
}

/// Terminates a process if it runs this program on this data directory. Returns `false`, without sending a signal, if
/// it doesn't.
///
/// Requests a fast shutdown first. After the timeout it requests an immediate shutdown: the next start then has to
/// recover, which takes longer but loses no data.
pub(crate) fn terminate(program: &str, pid: u32, data_dir: &Path, timeout: Duration) -> Result<bool, Error> {
    if !is_running_on(program, pid, data_dir)? {
        return Ok(false);
    }
    for signal in [Signal::SIGINT, Signal::SIGQUIT] {
        match kill(to_pid(pid), signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(_) => break,
        }
        let has_exited = || is_running_on(program, pid, data_dir).map(|is_running| !is_running);
        if poll_until(Instant::now() + timeout, has_exited)? {
            return Ok(true);
        }
    }
    Err(Error::StopTimeout { pid, dir: data_dir.to_owned() })
}

/// Returns the process id of the server that runs on this data directory, and whether it accepts connections.
pub(crate) fn find_server(data_dir: &Path) -> Result<Option<(u32, bool)>, Error> {
    let Some(pid) = read_pid(&data_dir.join("postmaster.pid"))? else { return Ok(None) };
    // The file is read again for the state, which may be newer than the process id, but never older.
    Ok(is_running_on("postgres", pid, data_dir)?.then(|| (pid, is_ready(data_dir, pid))))
}

/// Returns whether `postmaster.pid` says that this process accepts connections. A stale file names another process.
pub(crate) fn is_ready(data_dir: &Path, pid: u32) -> bool {
    fs::read_to_string(data_dir.join("postmaster.pid")).is_ok_and(|text| reports_ready(&text, pid))
}

/// Returns whether the `initdb` that the marker names is creating this data directory.
pub(crate) fn is_initdb_running(marker: &Path, data_dir: &Path) -> Result<bool, Error> {
    match read_pid(marker)? {
        Some(pid) => is_running_on("initdb", pid, data_dir),
        None => Ok(false),
    }
}

/// Reads the process id at the beginning of a file. Returns `None` if there is no file or no number in it.
///
/// The sign is ignored: PostgreSQL writes a negative number for a server without a postmaster.
fn read_pid(file: &Path) -> Result<Option<u32>, Error> {
    let text = if_exists(fs::read_to_string(file), "read", file)?.unwrap_or_default();
    Ok(text.lines().next().and_then(|line| line.trim().trim_start_matches('-').parse().ok()))
}

/// The first line of a `postmaster.pid` is the process id, the eighth the state.
fn reports_ready(postmaster_pid: &str, pid: u32) -> bool {
    let mut lines = postmaster_pid.lines().map(str::trim);
    // A hot standby is "ready". The state "standby" is that of a standby that accepts no connections.
    lines.next() == Some(pid.to_string().as_str()) && lines.nth(6) == Some("ready")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_requires_matching_pid() {
        let file = |state| format!("42\n/data\n1700000000\n5432\n/socket\n\n  5432001  65537\n{state}\n");
        assert!(reports_ready(&file("ready   "), 42));
        assert!(!reports_ready(&file("standby "), 42));
        assert!(!reports_ready(&file("starting"), 42));
        assert!(!reports_ready(&file("ready   "), 43));
        assert!(!reports_ready("42\n", 42));
    }
}
