//! What a killed run may have left: a server, an `initdb`, or a file naming a process that is no longer theirs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::folders::remove;
use crate::process::is_ready;
use crate::{Error, wait};

/// Ends the server of this data directory that its `postmaster.pid` names, and waits until it is gone.
///
/// Where the process id has come to belong to something else, only the file goes. Where it belongs to nothing, the
/// file stays: PostgreSQL removes it itself, after a look whether other processes of that server still use its memory.
pub(crate) fn end_server(data: &Path, patience: Duration) -> Result<(), Error> {
    let file = data.join("postmaster.pid");
    let Some(pid) = first_number(&file)? else { return Ok(()) };
    if end("postgres", pid, data, patience)? {
        tracing::warn!(pid, data = %data.display(), "stopped the database server that an earlier run had left behind");
    } else if exists(pid) {
        tracing::warn!(pid, file = %file.display(), "removed a stale file; the process it names isn't the server's");
        remove(&file)?;
    }
    Ok(())
}

/// Ends the `initdb` of this data directory that the mark names, and waits until it is gone.
pub(crate) fn end_initdb(mark: &Path, data: &Path, patience: Duration) -> Result<(), Error> {
    let Some(pid) = first_number(mark)? else { return Ok(()) };
    end("initdb", pid, data, patience).map(drop)
}

/// Ends this process if it is this program at work on this data directory; `false` if it isn't, and then it isn't
/// touched. A fast shutdown is asked for and, once patience ran out, an immediate one, after which the next start has
/// to recover: slower, nothing lost.
pub(crate) fn end(program: &str, pid: u32, data: &Path, patience: Duration) -> Result<bool, Error> {
    if !is_at_work(program, pid, data)? {
        return Ok(false);
    }
    for signal in [Signal::SIGINT, Signal::SIGQUIT] {
        match kill(process(pid), signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(_) => break,
        }
        if wait::until_true(Instant::now() + patience, || is_at_work(program, pid, data).map(|at_work| !at_work))? {
            return Ok(true);
        }
    }
    Err(Error::Stuck { pid, folder: data.to_owned() })
}

/// The server of this data directory that its `postmaster.pid` names, if it is at work, and whether it accepts
/// connections.
pub(crate) fn server_at_work(data: &Path) -> Result<Option<(u32, bool)>, Error> {
    let file = data.join("postmaster.pid");
    let Some(pid) = first_number(&file)? else { return Ok(None) };
    if !is_at_work("postgres", pid, data)? {
        return Ok(None);
    }
    // Read again: the state may be newer than the number, never the other way round.
    let ready = fs::read_to_string(&file).is_ok_and(|text| is_ready(&text, pid));
    Ok(Some((pid, ready)))
}

/// Whether the `initdb` that the mark names is creating this data directory.
pub(crate) fn is_initdb_at_work(mark: &Path, data: &Path) -> Result<bool, Error> {
    match first_number(mark)? {
        Some(pid) => is_at_work("initdb", pid, data),
        None => Ok(false),
    }
}

/// The program that a server was started from, with its folder.
pub(crate) fn program(server: u32) -> Result<Option<PathBuf>, Error> {
    let program = match arguments(server)? {
        Some(Arguments::Apart(list)) => list.split('\0').next().map(PathBuf::from),
        Some(Arguments::Joined(line)) => line.split_once(" -D ").map(|(program, _)| PathBuf::from(program)),
        None => None,
    };
    Ok(program.and_then(|program| program.canonicalize().ok()))
}

/// The words of a process's command line; where the system doesn't keep them apart, those between blanks.
pub(crate) fn words(pid: u32) -> Result<Vec<String>, Error> {
    Ok(match arguments(pid)? {
        Some(Arguments::Apart(list)) => list.trim_end_matches('\0').split('\0').map(str::to_owned).collect(),
        Some(Arguments::Joined(line)) => line.split_whitespace().map(str::to_owned).collect(),
        None => Vec::new(),
    })
}

/// The process that started this one, or has inherited it.
pub(crate) fn parent(pid: u32) -> Result<Option<u32>, Error> {
    if Path::new("/proc/self/stat").exists() {
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return Ok(None) };
        // The name, in brackets, may have anything in it; state and parent follow.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        return Ok(parent.filter(|parent| *parent > 0));
    }
    Ok(ps("ppid=", pid)?.parse().ok())
}

/// A process id says little, it may have been given out again. Its command line names the program and the data
/// directory; the server's working directory is the data directory, also after that was moved.
fn is_at_work(program: &str, pid: u32, data: &Path) -> Result<bool, Error> {
    let Some(arguments) = arguments(pid)? else { return Ok(false) };
    match arguments {
        Arguments::Apart(list) => {
            let has = |found: &dyn Fn(&Path) -> bool| list.split('\0').any(|one| found(Path::new(one)));
            let works_here = || fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder == data);
            Ok(has(&|one| one.file_name().is_some_and(|name| name == program))
                && (has(&|one| one == data) || works_here()))
        }
        Arguments::Joined(line) => {
            Ok(line.contains(&format!("/{program} ")) && line.contains(&format!("-D {}", data.display())))
        }
    }
}

/// A process's command line, as far as the system tells.
enum Arguments {
    /// Linux: each followed by a zero byte.
    Apart(String),
    /// Elsewhere: with blanks in between.
    Joined(String),
}

/// `None` for a process that doesn't exist, or has ended and only awaits its parent.
fn arguments(pid: u32) -> Result<Option<Arguments>, Error> {
    if Path::new("/proc/self/cmdline").exists() {
        let Ok(bytes) = fs::read(format!("/proc/{pid}/cmdline")) else { return Ok(None) };
        let list = String::from_utf8_lossy(&bytes).into_owned();
        return Ok((!list.is_empty()).then_some(Arguments::Apart(list)));
    }
    ask_ps(pid)
}

fn ask_ps(pid: u32) -> Result<Option<Arguments>, Error> {
    let line = ps("args=", pid)?;
    Ok((!line.is_empty()).then_some(Arguments::Joined(line)))
}

/// One column of the process table; empty for a process that doesn't exist.
fn ps(column: &str, pid: u32) -> Result<String, Error> {
    let program = Path::new("ps");
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").args(["-ww", "-o", column, "-p", &pid.to_string()]);
    let not_run = |source| Error::NotRun { program: program.to_owned(), account: "this user".to_owned(), source };
    let output = command.stdin(Stdio::null()).output().map_err(not_run)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether there is such a process, somebody else's included.
fn exists(pid: u32) -> bool {
    kill(process(pid), None) != Err(Errno::ESRCH)
}

fn process(pid: u32) -> Pid {
    // What doesn't fit isn't a process id, and -1 or 0 would mean many: ask for one that can't exist.
    Pid::from_raw(i32::try_from(pid).ok().filter(|pid| *pid > 0).unwrap_or(i32::MAX))
}

/// The process id at the beginning of a file; `None` without a file or a number. PostgreSQL writes a negative one for a
/// server without a postmaster.
fn first_number(file: &Path) -> Result<Option<u32>, Error> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(text.lines().next().and_then(|line| line.trim().trim_start_matches('-').parse().ok())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file("read", file)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_program_and_its_folder_together() {
        let data = Path::new("/somewhere/data");
        let script = "while :; do read -r line || exit; done";
        let mut child = Command::new("/bin/sh")
            .args(["-c", script, "/bin/postgres", "-D", "/somewhere/data"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        // A process that is only just being started has no arguments yet.
        let deadline = Instant::now() + Duration::from_secs(10);
        assert!(wait::until_true(deadline, || is_at_work("postgres", child.id(), data)).unwrap());
        assert!(!is_at_work("postgres", child.id(), Path::new("/elsewhere/data")).unwrap());
        assert!(!is_at_work("initdb", child.id(), data).unwrap());
        assert!(
            matches!(ask_ps(child.id()).unwrap(), Some(Arguments::Joined(line)) if line.contains("-D /somewhere/data"))
        );
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!is_at_work("postgres", child.id(), data).unwrap());
    }

    #[test]
    fn no_number_becomes_a_signal_to_many() {
        assert_eq!(process(0).as_raw(), i32::MAX);
        assert_eq!(process(u32::MAX).as_raw(), i32::MAX);
        assert_eq!(process(42).as_raw(), 42);
    }
}
