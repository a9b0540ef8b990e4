//! Errors of starting, stopping and inspecting a server.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::installation::Installation;

/// The reason why a server could not be started, stopped or inspected. Each message says what happened and what to do.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the variant's documentation and the field's name describe a field")]
#[non_exhaustive]
pub enum Error {
    /// Another process, or another `Server` of this process, has locked the directory.
    #[error(
        "database directory {} is in use by another process; stop that process or choose another directory",
        .dir.display()
    )]
    InUse { dir: PathBuf },
    /// No PostgreSQL server was found in the search path and the well-known directories.
    #[error(
        "no PostgreSQL server is installed on this machine; install version 15 or newer (`apt install postgresql`, \
         `brew install postgresql@17`), configure the directory of its programs, or use a running server"
    )]
    NotInstalled,
    /// No PostgreSQL server is installed and the download failed.
    #[cfg(feature = "download")]
    #[error(
        "no PostgreSQL server is installed on this machine and {url} could not be downloaded: {reason}; try again, \
         install version 15 or newer (`apt install postgresql`, `brew install postgresql@17`), configure the directory \
         of its programs, or use a running server"
    )]
    DownloadFailed { url: String, reason: String },
    /// The archive can't be verified, since [`DownloadOptions::sha256`](crate::DownloadOptions::sha256) isn't set.
    /// Nothing was downloaded.
    #[cfg(feature = "download")]
    #[error(
        "no PostgreSQL server is installed on this machine, and {release} wasn't downloaded, because its SHA-256 isn't \
         known; configure it, install version 15 or newer (`apt install postgresql`, `brew install postgresql@17`), \
         configure the directory of its programs, or use a running server"
    )]
    UnknownChecksum { release: String },
    /// The downloaded archive failed a check. It isn't kept.
    #[cfg(feature = "download")]
    #[error(
        "no PostgreSQL server is installed on this machine and the archive downloaded from {url} was rejected: \
         {reason}; try again, install version 15 or newer (`apt install postgresql`, `brew install postgresql@17`), \
         configure the directory of its programs, or use a running server"
    )]
    InvalidArchive { url: String, reason: String },
    /// The downloaded archive could not be unpacked. It isn't kept.
    #[cfg(feature = "download")]
    #[error(
        "PostgreSQL was downloaded but could not be unpacked in {}: {reason}; free about 200 MB there, choose another \
         cache directory, or install PostgreSQL 15 or newer (`apt install postgresql`, `brew install postgresql@17`)",
        .dir.display()
    )]
    UnpackFailed { dir: PathBuf, reason: String },
    /// The data was written by another major version than that of `offered`, the version that would be downloaded.
    #[cfg(feature = "download")]
    #[error(
        "the data in {} was written by PostgreSQL {data_major}, which isn't installed on this machine, and the version \
         to download, {offered}, can't read it; install version {data_major}, configure that version for the download, \
         or move the directory away to start with an empty database", .dir.display()
    )]
    DownloadVersionMismatch { dir: PathBuf, data_major: u32, offered: String },
    /// Other users could place programs in the cache directory, which would then be run.
    #[cfg(feature = "download")]
    #[error(
        "cache directory {} for PostgreSQL is unsafe: other users can write to it; remove it or choose another \
         directory", .dir.display()
    )]
    UnsafeCacheDir { dir: PathBuf },
    /// The download was cancelled through [`DownloadOptions::cancel`](crate::DownloadOptions::cancel).
    #[cfg(feature = "download")]
    #[error("the download of PostgreSQL was cancelled")]
    DownloadCancelled,
    /// The configured directory doesn't contain a working installation.
    #[error(
        "{} doesn't contain a working `postgres` and `initdb`; configure the directory of an installation (such as \
         /usr/lib/postgresql/15/bin), or none to search the usual ones", .dir.display()
    )]
    InvalidBinDir { dir: PathBuf },
    /// The selected installation is older than version 15.
    #[error(
        "PostgreSQL {major} in {} is too old; install version 15 or newer, or use a running server", .dir.display()
    )]
    TooOld { dir: PathBuf, major: u32 },
    /// The data was written by a major version that isn't installed. `installations` are the available ones, newest
    /// first, or the `configured` one.
    #[error(
        "the data in {} was written by PostgreSQL {data_major}, which {} can't read; install version {data_major}{}, \
         dump the data where that version is installed and restore it into a new directory, or move the directory away \
         to start with an empty database",
        .dir.display(), listed(.installations),
        if *.configured { " and configure its directory, or none" } else { "" }
    )]
    MajorVersionMismatch { dir: PathBuf, data_major: u32, installations: Vec<Installation>, configured: bool },
    /// The installation lacks a client program.
    #[error(
        "the PostgreSQL installation in {} has no `{program}`; install the client programs of version {major} \
         (`apt install postgresql-client-{major}`)", .dir.display()
    )]
    MissingProgram { program: &'static str, dir: PathBuf, major: u32 },
    /// The root is a symbolic link to a fallback directory that doesn't exist.
    #[error(
        "{} is a link to the database directory {}, which doesn't exist; restore that directory, restore a backup into \
         another one, or remove the link to start with an empty database", .link.display(), .target.display()
    )]
    DanglingLink { link: PathBuf, target: PathBuf },
    /// This process is root, and none of the users that could run the server exists.
    #[error(
        "PostgreSQL can't run as root, and this machine has neither a user `postgres` nor `nobody` to run it as; add \
         one of them, or run this program as an ordinary user"
    )]
    NoServerUser,
    /// The user that runs this process has no name.
    #[error(
        "user id {uid} has no name on this machine, which PostgreSQL requires; add the user to /etc/passwd, or run \
         this program as another user"
    )]
    UnknownUser { uid: u32 },
    /// The directory contains other files. Taking it over would make them inaccessible to their owner.
    #[error(
        "{} contains files that don't belong to an embedded database; choose an empty or new directory", .dir.display()
    )]
    ForeignDirectory { dir: PathBuf },
    /// The directory belongs to another user, usually because a run as root came before or after it was created.
    #[error(
        "directory {} belongs to user id {owner}, but the database would run as `{user}`; run this program as the \
         owner of the directory, or choose another directory", .dir.display()
    )]
    WrongOwner { dir: PathBuf, owner: u32, user: String },
    /// The user that would run the server can't access the parent directory.
    #[error(
        "user `{user}`, who would run the database, can't access {}; choose a database directory that is accessible to \
         that user", .dir.display()
    )]
    ParentNotAccessible { dir: PathBuf, user: String },
    /// The path of the socket directory is taken by a symbolic link, a file, or a directory of another user.
    #[error(
        "{} must be a directory that belongs to `{user}`, but is a link, a file or another user's directory; remove \
         it, or choose a database directory with a shorter path, which doesn't need it", .dir.display()
    )]
    UnsafeSocketDir { dir: PathBuf, user: String },
    /// The path of the fallback socket directory contains a comma or is too long.
    #[error(
        "{} can't be used for a socket: its path contains a comma or is too long; choose a shorter path without commas",
        .dir.display()
    )]
    InvalidSocketPath { dir: PathBuf },
    /// `initdb` failed.
    #[error("`initdb` failed in {}; fix the reported problem and start again: {output}", .dir.display())]
    InitdbFailed { dir: PathBuf, output: String },
    /// The server exited before it accepted connections.
    #[error(
        "PostgreSQL exited before it was ready; fix the problem reported in its log {} and start again: {last_lines}",
        .log.display()
    )]
    ExitedEarly { log: PathBuf, last_lines: String },
    /// The server didn't accept connections in time and was stopped.
    #[error(
        "PostgreSQL was not ready after {} s and was stopped; increase the timeout or check its log {}: {last_lines}",
        .after.as_secs(), .log.display()
    )]
    StartTimeout { after: Duration, log: PathBuf, last_lines: String },
    /// A process didn't exit after a fast and an immediate shutdown request.
    #[error(
        "process {pid} of the database in {} didn't stop; terminate it manually and start again", .dir.display()
    )]
    StopTimeout { pid: u32, dir: PathBuf },
    /// A program could not be started.
    #[error("could not run {}; check that it exists and that `{user}` may run it", .program.display())]
    SpawnFailed { program: PathBuf, user: String, source: io::Error },
    /// An operation on a file, directory or process failed. `action` is a verb for "could not …".
    #[error("could not {action} {}; check its permissions and the free disk space", .path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

impl Error {
    /// For `map_err`: the error of one file operation.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

/// Formats installations for a message: `18 (in /usr/lib/postgresql/18/bin) and 17 (in …)`.
fn listed(installations: &[Installation]) -> String {
    let describe = |one: &Installation| format!("{} (in {})", one.major, one.bin_dir.display());
    installations.iter().map(describe).collect::<Vec<_>>().join(" and ")
}
