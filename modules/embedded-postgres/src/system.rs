//! Helpers for files, locks and polling.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Error;

const POLL_INTERVAL: Duration = Duration::from_millis(3);
/// How long to retry the removal of a directory.
const REMOVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Calls `check` until it returns a value; returns `None` at the deadline. Calls it at least once.
pub(crate) fn poll<T>(
    deadline: Instant,
    mut check: impl FnMut() -> Result<Option<T>, Error>,
) -> Result<Option<T>, Error> {
    loop {
        let value = check()?;
        if value.is_some() || Instant::now() >= deadline {
            return Ok(value);
        }
        sleep(POLL_INTERVAL);
    }
}

/// Calls `check` until it returns `true`; returns `false` at the deadline.
pub(crate) fn poll_until(deadline: Instant, mut check: impl FnMut() -> Result<bool, Error>) -> Result<bool, Error> {
    Ok(poll(deadline, || Ok(check()?.then_some(())))?.is_some())
}

/// Converts the result of an operation on a file or directory, with `None` if it doesn't exist.
pub(crate) fn if_exists<T>(result: io::Result<T>, action: &'static str, path: &Path) -> Result<Option<T>, Error> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some).map_err(Error::io(action, path)),
    }
}

/// Removes a file if it exists.
pub(crate) fn remove_file(path: &Path) -> Result<(), Error> {
    if_exists(fs::remove_file(path), "remove", path).map(drop)
}

/// Removes a directory if it exists. Retries while files appear in it: child processes of an interrupted `initdb` may
/// still write to it for a few milliseconds.
pub(crate) fn remove_dir(dir: &Path) -> Result<(), Error> {
    let mut result = Ok(());
    poll_until(Instant::now() + REMOVE_TIMEOUT, || {
        result = fs::remove_dir_all(dir);
        Ok(!matches!(&result, Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty))
    })?;
    if_exists(result, "remove", dir).map(drop)
}

/// Creates a directory and its parents, readable for all users and writable only for the owner, regardless of the
/// umask. An existing directory stays unchanged.
pub(crate) fn create_public_dir(dir: &Path) -> Result<(), Error> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        create_public_dir(parent)?;
    }
    match fs::create_dir(dir) {
        Ok(()) => {
            fs::set_permissions(dir, Permissions::from_mode(0o755)).map_err(Error::io("set the permissions of", dir))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(Error::io("create", dir)(error)),
    }
}

/// Reads the end of a file: at most `limit` bytes, and nothing before the offset `start`.
pub(crate) fn read_tail(mut file: File, start: u64, limit: u64) -> io::Result<String> {
    let start = start.max(file.metadata()?.len().saturating_sub(limit));
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the last lines of a program's output, for an error message.
pub(crate) fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

/// A locked file. The lock is released when the process ends for any reason.
///
/// Dropping it unlocks explicitly instead of closing the file: a child process that another thread is spawning may
/// briefly hold a duplicate of the descriptor, and the lock with it.
#[derive(Debug)]
pub(crate) struct Lock(pub(crate) File);

impl Drop for Lock {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::error!(error = &error as &dyn std::error::Error, "failed to unlock a directory");
        }
    }
}
