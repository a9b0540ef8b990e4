//! Queries to the process table, through `/proc` or `ps`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::Error;
use crate::system::if_exists;

/// Returns whether a process runs the given program on the given data directory.
///
/// A process id alone proves nothing, since it may have been reused. The command line names the program and the data
/// directory. The server's working directory is the data directory, even after that was moved.
pub(crate) fn is_running_on(program: &str, pid: u32, data_dir: &Path) -> Result<bool, Error> {
    let Some(arguments) = arguments(pid)? else { return Ok(false) };
    match arguments {
        Arguments::Separated(list) => {
            let any = |matches: &dyn Fn(&Path) -> bool| list.split('\0').any(|argument| matches(Path::new(argument)));
            let is_working_dir = || fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|dir| dir == data_dir);
            Ok(any(&|argument| argument.file_name().is_some_and(|name| name == program))
                && (any(&|argument| argument == data_dir) || is_working_dir()))
        }
        Arguments::Joined(line) => {
            Ok(line.contains(&format!("/{program} ")) && line.contains(&format!("-D {}", data_dir.display())))
        }
    }
}

/// Returns the path of the program that a server was started from.
pub(crate) fn server_program(pid: u32) -> Result<Option<PathBuf>, Error> {
    let program = match arguments(pid)? {
        Some(Arguments::Separated(list)) => list.split('\0').next().map(PathBuf::from),
        Some(Arguments::Joined(line)) => line.split_once(" -D ").map(|(program, _)| PathBuf::from(program)),
        None => None,
    };
    Ok(program.and_then(|program| program.canonicalize().ok()))
}

/// Returns the arguments of a process, starting with the program. On systems that report a single line, the line is
/// split at whitespace.
pub(crate) fn command_line(pid: u32) -> Result<Vec<String>, Error> {
    Ok(match arguments(pid)? {
        Some(Arguments::Separated(list)) => list.trim_end_matches('\0').split('\0').map(str::to_owned).collect(),
        Some(Arguments::Joined(line)) => line.split_whitespace().map(str::to_owned).collect(),
        None => Vec::new(),
    })
}

/// Returns the parent of a process, which may be a process that adopted it.
pub(crate) fn parent_pid(pid: u32) -> Result<Option<u32>, Error> {
    if Path::new("/proc/self/stat").exists() {
        let stat_file = PathBuf::from(format!("/proc/{pid}/stat"));
        let Some(stat) = unless_exited(fs::read_to_string(&stat_file), &stat_file)? else { return Ok(None) };
        // The name is in parentheses and may contain any character; state and parent follow it.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        return Ok(parent.filter(|parent| *parent > 0));
    }
    Ok(ps("ppid=", pid)?.parse().ok())
}

/// Returns whether a process exists, including those of other users.
pub(crate) fn process_exists(pid: u32) -> bool {
    kill(to_pid(pid), None) != Err(Errno::ESRCH)
}

/// Converts a process id to a `Pid` that is safe to signal.
pub(crate) fn to_pid(pid: u32) -> Pid {
    // Zero and negative numbers would address process groups, so they become an id that can't exist.
    Pid::from_raw(i32::try_from(pid).ok().filter(|pid| *pid > 0).unwrap_or(i32::MAX))
}

/// The command line of a process, in the form that the system reports.
enum Arguments {
    /// Linux: each argument is followed by a NUL byte.
    Separated(String),
    /// Other systems: joined by spaces.
    Joined(String),
}

/// Returns `None` for a process that doesn't exist or is a zombie.
fn arguments(pid: u32) -> Result<Option<Arguments>, Error> {
    if Path::new("/proc/self/cmdline").exists() {
        let file = PathBuf::from(format!("/proc/{pid}/cmdline"));
        let Some(bytes) = unless_exited(fs::read(&file), &file)? else { return Ok(None) };
        let list = String::from_utf8_lossy(&bytes).into_owned();
        return Ok((!list.is_empty()).then_some(Arguments::Separated(list)));
    }
    arguments_from_ps(pid)
}

/// Returns `None` if the process has exited. Other errors don't prove that, such as too many open files.
fn unless_exited<T>(result: io::Result<T>, file: &Path) -> Result<Option<T>, Error> {
    match result {
        // The process has exited after the file was opened.
        Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => Ok(None),
        result => if_exists(result, "read", file),
    }
}

fn arguments_from_ps(pid: u32) -> Result<Option<Arguments>, Error> {
    let line = ps("args=", pid)?;
    Ok((!line.is_empty()).then_some(Arguments::Joined(line)))
}

/// Returns one column of `ps`, or an empty string for a process that doesn't exist.
fn ps(column: &str, pid: u32) -> Result<String, Error> {
    let program = Path::new("ps");
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").args(["-ww", "-o", column, "-p", &pid.to_string()]);
    let start_failed =
        |source| Error::SpawnFailed { program: program.to_owned(), user: "this user".to_owned(), source };
    let output = command.stdin(Stdio::null()).output().map_err(start_failed)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::system::poll_until;

    #[test]
    fn process_match_requires_binary_and_data_dir() {
        let data_dir = Path::new("/somewhere/data");
        let script = "while :; do read -r line || exit; done";
        let mut child = Command::new("/bin/sh")
            .args(["-c", script, "/bin/postgres", "-D", "/somewhere/data"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        // A process has no arguments until `exec` has completed.
        let deadline = Instant::now() + Duration::from_secs(10);
        assert!(poll_until(deadline, || is_running_on("postgres", child.id(), data_dir)).unwrap());
        assert!(!is_running_on("postgres", child.id(), Path::new("/elsewhere/data")).unwrap());
        assert!(!is_running_on("initdb", child.id(), data_dir).unwrap());
        let arguments = arguments_from_ps(child.id()).unwrap();
        assert!(matches!(arguments, Some(Arguments::Joined(line)) if line.contains("-D /somewhere/data")));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!is_running_on("postgres", child.id(), data_dir).unwrap());
    }

    #[test]
    fn only_missing_process_has_exited() {
        let file = Path::new("/proc/42/cmdline");
        let read = |errno: Errno| unless_exited::<()>(Err(errno.into()), file);
        assert!(matches!(read(Errno::ENOENT), Ok(None)));
        assert!(matches!(read(Errno::ESRCH), Ok(None)));
        for errno in [Errno::EMFILE, Errno::ENFILE, Errno::EACCES] {
            assert!(read(errno).unwrap_err().to_string().contains("could not read /proc/42/cmdline"), "{errno}");
        }
    }

    #[test]
    fn pid_zero_and_negative_are_never_signalled() {
        assert_eq!(to_pid(0).as_raw(), i32::MAX);
        assert_eq!(to_pid(u32::MAX).as_raw(), i32::MAX);
        assert_eq!(to_pid(42).as_raw(), 42);
    }
}
