//! The operating system user that runs the server. PostgreSQL does not run as root, so root delegates to another
//! user.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{User, geteuid};

use crate::Error;
use crate::installation::{Installation, parse_major};

/// Users that run the server when this process is root; the first one that exists is used.
// plain-language: allow "nobody" because it is the name of an operating system user
const FALLBACK_USERS: [&str; 2] = ["postgres", "nobody"];

/// The operating system user that runs the server and owns its directories.
///
/// If this process is root, it never creates or writes anything inside those directories itself: their owner could
/// place a symbolic link there that points anywhere. [`shell`](Self::shell) does it as the owner instead.
#[derive(Debug)]
pub(crate) struct ServerUser {
    user: User,
    process_user: User,
}

impl ServerUser {
    pub(crate) fn choose() -> Result<Self, Error> {
        // With a name, which `initdb` and peer authentication require.
        let uid = geteuid();
        let process_user = User::from_uid(uid).ok().flatten().ok_or(Error::UnknownUser { uid: uid.as_raw() })?;
        let user = if process_user.uid.is_root() {
            FALLBACK_USERS.iter().find_map(|name| User::from_name(name).ok().flatten()).ok_or(Error::NoServerUser)?
        } else {
            process_user.clone()
        };
        Ok(Self { user, process_user })
    }

    pub(crate) fn name(&self) -> &str {
        &self.user.name
    }

    pub(crate) fn uid(&self) -> u32 {
        self.user.uid.as_raw()
    }

    pub(crate) fn gid(&self) -> u32 {
        self.user.gid.as_raw()
    }

    /// Returns the id of the user that runs this process.
    pub(crate) fn process_uid(&self) -> u32 {
        self.process_user.uid.as_raw()
    }

    /// Returns whether the server runs as a different user than this process.
    pub(crate) fn is_fallback(&self) -> bool {
        self.user.uid != self.process_user.uid
    }

    /// Returns the names of the users that may connect: the server's user and the user of this process.
    pub(crate) fn login_names(&self) -> Vec<&str> {
        let mut names = vec![self.user.name.as_str(), self.process_user.name.as_str()];
        names.dedup();
        names
    }

    /// Creates a command that runs as this user in `/`, without the variables of our environment (`PGOPTIONS`,
    /// `PGDATA`, …).
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        // The C locale keeps messages in English: `process::is_transient` searches the log for two of them.
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir("/").stdin(Stdio::null());
        if self.is_fallback() {
            command.uid(self.uid()).gid(self.gid());
        }
        command
    }

    /// Runs a short `sh` script as this user. Files that it creates are accessible to this user only.
    pub(crate) fn shell(&self, script: &str, arguments: &[&OsStr]) -> Result<(), io::Error> {
        let script = format!("umask 077; {script}");
        let output = self.command("/bin/sh").args(["-c", &script, "sh"]).args(arguments).output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }

    /// Reads the version of the installation in a directory. Both programs must exist: Debian's `/usr/bin` has
    /// wrappers of the client programs only. The error is a short text to be quoted in another message.
    pub(crate) fn probe(&self, dir: &Path) -> io::Result<Installation> {
        let postgres = dir.join("postgres");
        if !postgres.is_file() || !dir.join("initdb").is_file() {
            return Err(io::Error::other("`postgres` or `initdb` is missing"));
        }
        let output = self.command(postgres).arg("--version").output()?;
        let stderr = || io::Error::other(String::from_utf8_lossy(&output.stderr).trim().replace('\n', " "));
        let major = parse_major(&String::from_utf8_lossy(&output.stdout)).ok_or_else(stderr)?;
        Ok(Installation { bin_dir: dir.to_owned(), major })
    }

    /// Returns whether this user can enter a directory. It is tried for real, because modes, access control lists and
    /// mount options all influence the result.
    pub(crate) fn can_enter(&self, dir: &Path) -> bool {
        !self.is_fallback() || self.shell(r#"cd -- "$1""#, &[dir.as_os_str()]).is_ok()
    }

    /// For `map_err`: the error of a program that could not be started as this user.
    pub(crate) fn start_failed(&self, program: &Path) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::SpawnFailed { program: program.to_owned(), user: self.user.name.clone(), source }
    }
}
