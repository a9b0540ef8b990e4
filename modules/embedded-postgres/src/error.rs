//! What can go wrong between "start" and "ready", in words for whoever has to mend it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::binaries::Installation;

/// Why a server could not be started or stopped. Each message says what happened and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process, or another `Server` of this one, holds the folder.
    #[error("The database folder {} is in use by another process. Stop that process, or choose another folder.", .folder.display())]
    InUse {
        /// The folder that was asked for, or the one used in its place.
        folder: PathBuf,
    },
    /// Neither the search path nor the usual places hold a PostgreSQL server.
    #[error(
        "No PostgreSQL server is installed on this machine. Install version 15 or newer (`apt install postgresql`, \
         `brew install postgresql@17`), name the folder its programs are in, or use a server that runs already."
    )]
    NoBinaries,
    /// There is no server, and none to be had over the network either.
    #[cfg(feature = "download")]
    #[error(
        "No PostgreSQL server is installed on this machine, and {url} could not be downloaded: {reason}. Try again, \
         install version 15 or newer (`apt install postgresql`, `brew install postgresql@17`), name the folder its \
         programs are in, or use a server that runs already."
    )]
    NotDownloaded {
        /// What was asked for.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// It was downloaded, and isn't what it should be. Nothing of it is kept.
    #[cfg(feature = "download")]
    #[error(
        "No PostgreSQL server is installed on this machine, and what was downloaded from {url} is refused: {reason}. \
         Try again, install version 15 or newer (`apt install postgresql`, `brew install postgresql@17`), name the \
         folder its programs are in, or use a server that runs already."
    )]
    BadArchive {
        /// Where it came from.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It was downloaded, and there was no unpacking it. Nothing of it is kept.
    #[cfg(feature = "download")]
    #[error(
        "PostgreSQL was downloaded, but could not be unpacked in {}: {reason}. Free some 200 MB there, choose another \
         folder for it, or install PostgreSQL 15 or newer (`apt install postgresql`, `brew install postgresql@17`).",
        .folder.display()
    )]
    NotUnpacked {
        /// The cache.
        folder: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// The data was written by another major version than the one that would be downloaded.
    #[cfg(feature = "download")]
    #[error(
        "The data in {} was written by PostgreSQL {data}, and none is installed on this machine; PostgreSQL {offered}, \
         which could be downloaded, can't read it. Install version {data}, have that version downloaded, or move the \
         folder away to begin anew.", .folder.display()
    )]
    OtherDownload {
        /// The data directory.
        folder: PathBuf,
        /// The major version that wrote it.
        data: u32,
        /// The version that would have been downloaded.
        offered: String,
    },
    /// Programs out of this folder would be run, and others can put some there.
    #[cfg(feature = "download")]
    #[error(
        "The folder {}, which PostgreSQL would be unpacked into, isn't this user's alone: others could put programs \
         there. Remove it, or choose another folder.", .folder.display()
    )]
    UnsafeCache {
        /// The cache.
        folder: PathBuf,
    },
    /// Somebody wanted it so.
    #[cfg(feature = "download")]
    #[error("The download of PostgreSQL was given up.")]
    GivenUp,
    /// The folder that was configured isn't one of PostgreSQL programs.
    #[error(
        "The folder {} doesn't hold a working `postgres` and `initdb`. Name the one that does (such as \
         /usr/lib/postgresql/15/bin), or name none to have the usual places searched.", .folder.display()
    )]
    NotBinaries {
        /// The configured folder.
        folder: PathBuf,
    },
    /// There is a PostgreSQL, but from before version 15.
    #[error(
        "PostgreSQL {major} in {} is too old: version 15 or newer is needed. Install one, or use a server that runs \
         already.", .folder.display()
    )]
    TooOld {
        /// Where it was found.
        folder: PathBuf,
        /// Its major version.
        major: u32,
    },
    /// The data was written by a major version that isn't installed.
    #[error(
        "The data in {} was written by PostgreSQL {data}, which {} can't read. Install version {data}{}, or dump the \
         data where it is installed and restore it into a new folder; or move the folder away to begin anew.",
        .folder.display(), listed(.found), if *.configured { " and configure its folder, or none" } else { "" }
    )]
    OtherMajor {
        /// The data directory.
        folder: PathBuf,
        /// The major version that wrote it.
        data: u32,
        /// What was found instead, the newest first.
        found: Vec<Installation>,
        /// Whether that is what was configured, rather than all there is.
        configured: bool,
    },
    /// The installation has the server but not this program.
    #[error(
        "`{program}` isn't part of the PostgreSQL installation in {}; install the client programs of version {major} \
         (`apt install postgresql-client-{major}`).", .folder.display()
    )]
    NoProgram {
        /// The program.
        program: &'static str,
        /// The installation's folder.
        folder: PathBuf,
        /// The installation's major version.
        major: u32,
    },
    /// The database lies elsewhere, and this machine doesn't have it, or not any more.
    #[error(
        "{} is a link to {}, where the database was, and nothing is there. Put the database back there, restore a \
         backup into another folder, or remove the link to begin anew.", .link.display(), .target.display()
    )]
    LinkToNowhere {
        /// The link.
        link: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// Run as root on a machine without the users `postgres` and `nobody`.
    #[error(
        "PostgreSQL refuses to run as root, and this machine has neither a user `postgres` nor `nobody` to run it as. \
         Add one of them, or start this program as an ordinary user."
    )]
    NoAccount,
    /// The user that runs this process has a number but no name.
    #[error(
        "The user with the number {uid} has no name on this machine, and PostgreSQL needs one. Add the user to \
         /etc/passwd, or start this program as another."
    )]
    NoName {
        /// The number of the user.
        uid: u32,
    },
    /// The folder has other things in it; taking it over would lock their owner out.
    #[error(
        "The folder {} holds files that aren't a database of this program, so it was left alone. Choose an empty \
         folder or a new one.", .folder.display()
    )]
    NotOurs {
        /// The folder that was asked for.
        folder: PathBuf,
    },
    /// The folder belongs to somebody else, mostly after a run as root or before one.
    #[error(
        "The folder {} belongs to the user number {owner}, but the database would run as `{account}`. Start this \
         program as the folder's owner, or choose another folder.", .folder.display()
    )]
    WrongOwner {
        /// The folder that was asked for.
        folder: PathBuf,
        /// Whose it is.
        owner: u32,
        /// The user that the server would run as.
        account: String,
    },
    /// Neither the folder nor its replacement can be reached by the user that runs the server.
    #[error(
        "The user `{account}`, who runs the database, may not enter {}. Choose a database folder that is open to that \
         user.", .folder.display()
    )]
    Closed {
        /// The folder that is closed, the last one tried.
        folder: PathBuf,
        /// The user that the server would run as.
        account: String,
    },
    /// Something waits where the socket's folder should be: a link, a file, or a folder of another user.
    #[error(
        "{} should be a folder that belongs to `{account}`, but is a link, a file or somebody else's. Remove it, or \
         choose a shorter database folder, which doesn't need it.", .folder.display()
    )]
    UnsafeSocketFolder {
        /// The folder for the socket.
        folder: PathBuf,
        /// The user that the server would run as.
        account: String,
    },
    /// A socket's path has room for about a hundred bytes and none for commas, and even the replacement is no better.
    #[error("{} can't hold a socket: its path has a comma or is too long. Choose a shorter, plainer one.", .folder.display())]
    BadSocketPath {
        /// The folder for the socket.
        folder: PathBuf,
    },
    /// `initdb` failed.
    #[error("The database in {} could not be created; mend what `initdb` says and start again: {output}", .folder.display())]
    NotCreated {
        /// The data directory.
        folder: PathBuf,
        /// The end of what `initdb` wrote.
        output: String,
    },
    /// The server ended before it was ready.
    #[error("PostgreSQL ended before it was ready; mend what its log {} says and start again: {last_lines}", .log.display())]
    Ended {
        /// The log file.
        log: PathBuf,
        /// What this start added to it, the last lines.
        last_lines: String,
    },
    /// The server runs but wasn't ready in time; it was stopped again.
    #[error(
        "PostgreSQL was not ready after {} s and was stopped. Allow it more time, or see its log {}: {last_lines}",
        .after.as_secs(), .log.display()
    )]
    NotReady {
        /// The time it was given.
        after: Duration,
        /// The log file.
        log: PathBuf,
        /// What this start added to it, the last lines.
        last_lines: String,
    },
    /// A process of this database doesn't end, although it was asked twice.
    #[error("The process {pid} of the database in {} doesn't end. End it by hand, then start again.", .folder.display())]
    Stuck {
        /// The process.
        pid: u32,
        /// The data directory it works on.
        folder: PathBuf,
    },
    /// A program could not be started.
    #[error("The program {} could not be run. Is it there, and may `{account}` run it?", .program.display())]
    NotRun {
        /// The program.
        program: PathBuf,
        /// The user it was to be run as.
        account: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file or folder could not be read or written.
    #[error("{} could not be {action}. Check its permissions and the space on its disk.", .path.display())]
    File {
        /// What was tried, as in "could not be read".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// The installations as people are told of them: `18 (in /usr/lib/postgresql/18/bin) and 17 (in …)`.
pub(crate) fn listed(found: &[Installation]) -> String {
    let one = |one: &Installation| format!("{} (in {})", one.major, one.folder.display());
    found.iter().map(one).collect::<Vec<_>>().join(" and ")
}

impl Error {
    /// For `map_err`: the error of one file operation.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { action, path: path.to_owned(), source }
    }
}
