//! Who runs the server: PostgreSQL refuses root, so root hands it to somebody else.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{Uid, User, geteuid};

use crate::Error;

/// Whom root lets run the server, the first that exists.
const STAND_INS: [&str; 2] = ["postgres", "nobody"];

/// The operating system's user that runs the server, owns its folders and writes them.
///
/// Where that isn't the user of this process (root), nothing inside the folders is created or written by root: their
/// owner could have put a link there that leads anywhere. It is done by [`shell`](Self::shell), as the owner.
#[derive(Debug)]
pub(crate) struct Account {
    user: User,
    /// The user of this process.
    own: User,
}

impl Account {
    pub(crate) fn choose() -> Result<Self, Error> {
        let own = named(geteuid())?;
        let user = if own.uid.is_root() {
            STAND_INS.iter().find_map(|name| User::from_name(name).ok().flatten()).ok_or(Error::NoAccount)?
        } else {
            own.clone()
        };
        Ok(Self { user, own })
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

    pub(crate) fn own_uid(&self) -> u32 {
        self.own.uid.as_raw()
    }

    /// Whether the server is run by another user than this process.
    pub(crate) fn is_stand_in(&self) -> bool {
        self.user.uid != self.own.uid
    }

    /// The names of those who may connect: the one who runs the server, and the one who runs this process.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names = vec![self.user.name.as_str(), self.own.name.as_str()];
        names.dedup();
        names
    }

    /// A command that will run as this user, from `/`, with nothing of our environment (`PGOPTIONS`, `PGDATA`, …).
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        // The C locale keeps messages in English: `process` looks for two of them in the log.
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir("/").stdin(Stdio::null());
        if self.is_stand_in() {
            command.uid(self.uid()).gid(self.gid());
        }
        command
    }

    /// Runs a few lines of `sh` as this user; what they create is open to nobody else.
    pub(crate) fn shell(&self, script: &str, arguments: &[&OsStr]) -> Result<(), io::Error> {
        let script = format!("umask 077; {script}");
        let output = self.command("/bin/sh").args(["-c", &script, "sh"]).args(arguments).output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }

    /// Tried for real, since modes, lists and mounts all have a say in it.
    pub(crate) fn can_enter(&self, folder: &Path) -> bool {
        !self.is_stand_in() || self.shell(r#"cd -- "$1""#, &[folder.as_os_str()]).is_ok()
    }

    pub(crate) fn not_run(&self, program: &Path) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::NotRun { program: program.to_owned(), account: self.user.name.clone(), source }
    }
}

/// `initdb` and peer authentication both need the name that belongs to the number.
fn named(uid: Uid) -> Result<User, Error> {
    User::from_uid(uid).ok().flatten().ok_or(Error::NoName { uid: uid.as_raw() })
}
