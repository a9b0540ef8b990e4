//! Files that contain a process id: PostgreSQL's `postmaster.pid` and the marker of a running `initdb`.

use std::fs;
use std::io;
use std::path::Path;

use crate::Error;

/// Reads the process id at the beginning of a file. Returns `None` if there is no file or no number in it.
///
/// The sign is ignored: PostgreSQL writes a negative number for a server without a postmaster.
pub(crate) fn read_pid(file: &Path) -> Result<Option<u32>, Error> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(text.lines().next().and_then(|line| line.trim().trim_start_matches('-').parse().ok())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", file)(error)),
    }
}

/// Returns whether the text of a `postmaster.pid` says that the process accepts connections: its first line is the
/// process id, its eighth the state.
pub(crate) fn is_ready(postmaster_pid: &str, pid: u32) -> bool {
    let mut lines = postmaster_pid.lines().map(str::trim);
    lines.next() == Some(pid.to_string().as_str()) && lines.nth(6) == Some("ready")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_requires_matching_pid() {
        let file = |state| format!("42\n/data\n1700000000\n5432\n/socket\n\n  5432001  65537\n{state}\n");
        assert!(is_ready(&file("ready   "), 42));
        assert!(!is_ready(&file("starting"), 42));
        assert!(!is_ready(&file("ready   "), 43));
        assert!(!is_ready("42\n", 42));
    }
}
