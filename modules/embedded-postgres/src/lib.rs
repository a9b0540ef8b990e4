//! A real PostgreSQL server as a child process, reached by a unix socket and by nothing else.
//!
//! ```no_run
//! # fn main() -> Result<(), embedded_postgres::Error> {
//! let mut options = embedded_postgres::Options::new("data/postgres");
//! options.search_path = std::env::var_os("PATH");
//! let server = embedded_postgres::Server::start(options)?;
//! if server.is_new() {
//!     // create roles, load demo data, …
//!     server.settle()?;
//! }
//! println!("psql -h {} -p {} -U {}", server.socket_dir().display(), server.port(), server.superuser());
//! server.stop()
//! # }
//! ```
//!
//! It uses a PostgreSQL that is installed (`binaries`), runs it as somebody other than root (`account`), in a folder
//! that only one process at a time may use (`folders`), creates the data directory (`cluster`), ends what a killed run
//! has left (`leftover`), and ends the server together with this process, even by SIGKILL (`process`). What is in a
//! folder can be looked at without starting anything (`look`), and the installation's other programs know the way to the
//! server (`programs`).
//!
//! Absent on purpose: the network (nothing listens on TCP), passwords (who may connect is decided by the operating
//! system's user), the environment (nothing is read from it, and nothing of it reaches the server), `unsafe`, and an
//! asynchronous runtime: starting and stopping block the calling thread, up to the time-outs of the [`Options`].
//!
//! With the feature `download`, a machine that has no PostgreSQL gets one (`download`). Only that uses the network.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod account;
mod binaries;
mod cluster;
#[cfg(feature = "download")]
mod download;
mod error;
mod folders;
mod leftover;
mod look;
mod process;
mod programs;
mod wait;

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use account::Account;
pub use binaries::Installation;
#[cfg(feature = "download")]
pub use download::{Download, Progress, Proxy, Step};
pub use error::Error;
use folders::Folders;
pub use look::{Holder, Look, Running, State};
use process::Process;
pub use programs::Client;

const SUPERUSER: &str = "postgres";
/// Only part of the socket's name: each server has a folder of its own.
const PORT: u16 = 5432;

/// Where and how to run a server.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder that everything is in: a new one, an empty one, or one that was used for this before.
    pub root: PathBuf,
    /// The folder of the programs `postgres` and `initdb`. `None` looks through `search_path` and the usual places,
    /// and takes the newest, or the one that fits the data.
    pub binaries: Option<PathBuf>,
    /// The value of `PATH`; this library doesn't read the environment.
    pub search_path: Option<OsString>,
    /// Whether the places where installers put PostgreSQL are searched as well.
    pub usual_places: bool,
    /// Where to get a PostgreSQL from when none is found. `None`: from nowhere, which is an error.
    #[cfg(feature = "download")]
    pub download: Option<Download>,
    /// Whether a commit outlives a power cut. Without, everything is faster; for data that may be lost.
    pub durable: bool,
    /// Database roles beside the superuser that the same users of the operating system may connect as. Somebody has to
    /// make them.
    pub further_roles: Vec<String>,
    /// How many connections there may be at once; three of them are kept for superusers. At least 4.
    pub max_connections: u16,
    /// As root, where a parent of `root` is closed to the user who then runs the server: a folder within this one,
    /// named by a hash of `root`, is used in place of it.
    pub closed_parent_fallback: PathBuf,
    /// Where `root` is too long for the path of a socket, or has a comma in it: a folder whose name begins with this path, and ends with a
    /// hash of `root`, holds it.
    pub socket_fallback: PathBuf,
    /// How long the server may take to accept connections, recovery after a crash included.
    pub start_timeout: Duration,
    /// How long the server may take to write everything out and stop. After that it is made to stop at once, which
    /// loses nothing but makes the next start recover.
    pub stop_timeout: Duration,
}

impl Options {
    /// Durable, 100 connections, a minute to start and half a one to stop. No `PATH`: only the usual places.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            binaries: None,
            search_path: None,
            usual_places: true,
            #[cfg(feature = "download")]
            download: None,
            durable: true,
            further_roles: Vec::new(),
            max_connections: 100,
            closed_parent_fallback: PathBuf::from("/var/lib/tenantry"),
            socket_fallback: PathBuf::from("/tmp/tenantry-"),
            start_timeout: Duration::from_secs(60),
            stop_timeout: Duration::from_secs(30),
        }
    }
}

/// A running server. It stops when this is dropped, and when this process ends in whatever way.
#[derive(Debug)]
pub struct Server {
    /// `None` once stopped.
    process: Option<Process>,
    lock: File,
    pid: u32,
    folders: Folders,
    installation: Installation,
    newer: Option<Installation>,
    options: Options,
}

impl Server {
    /// Starts a server and waits until it accepts connections; the first time it creates the data directory as well.
    ///
    /// # Errors
    ///
    /// When the folder is in use, no fitting PostgreSQL is installed, or the server doesn't start: see [`Error`], whose
    /// messages are meant to be shown. Nothing is left running then.
    pub fn start(options: Options) -> Result<Self, Error> {
        let account = Account::choose()?;
        let found = binaries::find(&options, &account)?;
        if found.is_empty() && !may_download(&options) {
            return Err(Error::NoBinaries);
        }
        let newest = found.first().cloned();
        let folders = Folders::prepare(&options, &account)?;
        let lock = folders.lock()?;
        let started = launch(&options, &account, found, &folders);
        let (process, installation) = started.inspect_err(|_| release(&lock))?;
        let pid = process.pid();
        tracing::info!(pid, major = installation.major, root = %folders.root.display(), "the database server is ready");
        let newer = newest.filter(|newest| newest.major > installation.major);
        Ok(Self { process: Some(process), lock, pid, folders, installation, newer, options })
    }

    /// The folder of the socket: the `host` of a connection string.
    pub fn socket_dir(&self) -> &Path {
        &self.folders.socket
    }

    /// The number in the socket's name: the `port` of a connection string.
    pub fn port(&self) -> u16 {
        PORT
    }

    /// The database role to connect as. It is open to the operating system's users that run this process and the
    /// server, and to nobody else; so are [`Options::further_roles`].
    pub fn superuser(&self) -> &str {
        SUPERUSER
    }

    /// The folder in use: absolute, without links, and another than was asked for where that is closed to the user who
    /// runs the server.
    pub fn root(&self) -> &Path {
        &self.folders.root
    }

    /// What the server writes. The next start renames it to `postgres.log.1` when it has grown beyond 10 MiB.
    pub fn log_file(&self) -> PathBuf {
        self.folders.log()
    }

    /// The folder of the PostgreSQL programs in use.
    pub fn binaries(&self) -> &Path {
        &self.installation.folder
    }

    /// The major version of PostgreSQL in use.
    pub fn version(&self) -> u32 {
        self.installation.major
    }

    /// A newer PostgreSQL that was found beside the one in use, which stays in use because it wrote the data.
    pub fn newer(&self) -> Option<&Installation> {
        self.newer.as_ref()
    }

    /// The way to this server, for other programs of its installation. It doesn't keep the server running.
    pub fn client(&self) -> Client {
        Client::new(self.installation.clone(), self.folders.socket.clone())
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether first-time set-up is still to be done: the data directory was created by this start, or by an earlier
    /// one after which nobody called [`settle`](Self::settle).
    pub fn is_new(&self) -> bool {
        self.folders.unsettled().exists()
    }

    /// Says that first-time set-up is complete, so that no later start reports the data directory as new.
    ///
    /// # Errors
    ///
    /// When the mark can't be removed.
    pub fn settle(&self) -> Result<(), Error> {
        folders::remove(&self.folders.unsettled())?;
        if self.options.durable { self.folders.sync() } else { Ok(()) }
    }

    /// Stops the server: open transactions are rolled back, connections closed. Returns when its processes are gone;
    /// dropping does the same but can't report an error.
    ///
    /// # Errors
    ///
    /// When the server doesn't end within twice [`Options::stop_timeout`].
    pub fn stop(mut self) -> Result<(), Error> {
        self.shut_down()
    }

    fn shut_down(&mut self) -> Result<(), Error> {
        let Some(process) = self.process.take() else { return Ok(()) };
        let ended = process.end(&self.folders.data(), self.options.stop_timeout);
        self.folders.tidy();
        release(&self.lock);
        ended
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down() {
            tracing::error!(error = &error as &dyn std::error::Error, "the database server could not be stopped");
        }
    }
}

/// Everything that is done under the lock.
fn launch(
    options: &Options,
    account: &Account,
    found: Vec<Installation>,
    folders: &Folders,
) -> Result<(Process, Installation), Error> {
    let data = folders.data();
    leftover::end_server(&data, options.stop_timeout)?;
    let existing = cluster::existing(folders)?;
    let existing = existing.map(|major| (data.as_path(), major));
    let found = if found.is_empty() { vec![obtain(options, account, existing)?] } else { found };
    let installation = binaries::select(found, existing, options)?;
    let deadline = Instant::now() + options.start_timeout;
    if existing.is_none() {
        cluster::create(folders, &installation, account, options)?;
    }
    cluster::admit(folders, account, options)?;
    folders.rotate_log()?;

    let process = wait::until(deadline, || {
        leftover::end_server(&data, options.stop_timeout)?;
        folders.clear_socket()?;
        match run(options, account, &installation, folders, deadline) {
            Err(error) if process::is_passing(&error) && Instant::now() < deadline => Ok(None),
            result => result.map(Some),
        }
    })?;
    let process = process.ok_or_else(|| not_ready(options, folders, String::new()))?;
    Ok((process, installation))
}

#[cfg(feature = "download")]
fn may_download(options: &Options) -> bool {
    options.download.as_ref().is_some_and(|download| download.enabled)
}

#[cfg(not(feature = "download"))]
fn may_download(_: &Options) -> bool {
    false
}

/// A PostgreSQL for a machine that has none, unless that would be of no use: data can be read by the major version alone
/// that wrote them.
#[cfg(feature = "download")]
fn obtain(options: &Options, account: &Account, existing: Option<(&Path, u32)>) -> Result<Installation, Error> {
    let download = options.download.as_ref().filter(|download| download.enabled).ok_or(Error::NoBinaries)?;
    match existing {
        Some((folder, data)) if !download::fits(download, data) => {
            Err(Error::OtherDownload { folder: folder.to_owned(), data, offered: download.version.clone() })
        }
        _ => download::obtain(download, account),
    }
}

#[cfg(not(feature = "download"))]
fn obtain(_: &Options, _: &Account, _: Option<(&Path, u32)>) -> Result<Installation, Error> {
    Err(Error::NoBinaries)
}

/// One try.
fn run(
    options: &Options,
    account: &Account,
    installation: &Installation,
    folders: &Folders,
    deadline: Instant,
) -> Result<Process, Error> {
    let program = installation.folder.join("postgres");
    let mut process = Process::spawn(account, folders.log(), &program, cluster::arguments(folders, options))?;
    let data = folders.data();
    let error = match process.wait_until_ready(&data, deadline) {
        Ok(true) => return Ok(process),
        Ok(false) => {
            Error::NotReady { after: options.start_timeout, log: folders.log(), last_lines: process.last_lines() }
        }
        Err(error) => error,
    };
    process.end(&data, options.stop_timeout)?;
    Err(error)
}

fn not_ready(options: &Options, folders: &Folders, last_lines: String) -> Error {
    Error::NotReady { after: options.start_timeout, log: folders.log(), last_lines }
}

/// By hand rather than by closing the file: a child that another thread is just starting holds a copy of it for a
/// moment, and with it the lock.
fn release(lock: &File) {
    if let Err(error) = lock.unlock() {
        tracing::error!(error = &error as &dyn std::error::Error, "the database folder could not be unlocked");
    }
}
