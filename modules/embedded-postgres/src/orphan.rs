//! Processes that a killed run may have left behind: a server or an `initdb`.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};

use crate::layout::remove_if_exists;
use crate::pid_file::{is_ready, read_pid};
use crate::proc_table::{is_running_on, process_exists, to_pid};
use crate::{Error, poll};

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
        remove_if_exists(&file)?;
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
        if poll::until_true(Instant::now() + timeout, has_exited)? {
            return Ok(true);
        }
    }
    Err(Error::StopTimeout { pid, dir: data_dir.to_owned() })
}

/// Returns the process id of the server that runs on this data directory, and whether it accepts connections.
pub(crate) fn find_server(data_dir: &Path) -> Result<Option<(u32, bool)>, Error> {
    let file = data_dir.join("postmaster.pid");
    let Some(pid) = read_pid(&file)? else { return Ok(None) };
    if !is_running_on("postgres", pid, data_dir)? {
        return Ok(None);
    }
    // The file is read again: the state may be newer than the process id, but never older.
    let ready = fs::read_to_string(&file).is_ok_and(|text| is_ready(&text, pid));
    Ok(Some((pid, ready)))
}

/// Returns whether the `initdb` that the marker names is creating this data directory.
pub(crate) fn is_initdb_running(marker: &Path, data_dir: &Path) -> Result<bool, Error> {
    match read_pid(marker)? {
        Some(pid) => is_running_on("initdb", pid, data_dir),
        None => Ok(false),
    }
}
