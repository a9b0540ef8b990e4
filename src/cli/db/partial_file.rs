//! Atomic creation of a file: it gets its name only when it is complete.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Stdio,
};

use super::{super::output::CliError, dump_file::MAGIC};

/// An incomplete file named `NAME.part`. It is locked by the writing process and removed on drop.
pub(super) struct PartialFile {
    target: PathBuf,
    path: PathBuf,
    file: File,
}

impl PartialFile {
    /// Creates the file with mode 0600, because it will contain every tenant's data. Replaces a partial backup that was
    /// left by a killed process.
    ///
    /// # Errors
    /// `target` exists, or another process is writing the partial file.
    pub(super) fn create(target: &Path) -> Result<Self, CliError> {
        if fs::symlink_metadata(target).is_ok() {
            return Err(format!("{} already exists; choose another name", target.display()).into());
        }
        let mut path = OsString::from(target);
        path.push(".part");
        let path = PathBuf::from(path);
        let create = || OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = match create() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                remove_stale(&path)?;
                create()
            }
            result => result,
        };
        let file = file.map_err(|error| format!("{} can't be written: {error}", path.display()))?;
        // `pg_dump` inherits the lock and keeps it if this process is killed.
        file.try_lock().map_err(|_| busy(&path))?;
        Ok(Self { target: target.to_owned(), path, file })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns a handle to use as a subprocess's standard output.
    pub(super) fn to_stdio(&self) -> io::Result<Stdio> {
        Ok(self.file.try_clone()?.into())
    }

    /// Syncs the file to disk, renames it to its final name, and returns its size in bytes.
    ///
    /// # Errors
    /// The final name has been taken in the meantime, or the disk fails.
    pub(super) fn persist(self) -> Result<u64, CliError> {
        let complete = || {
            self.file.sync_all()?;
            // Unlike a rename, a hard link fails if the name has been taken in the meantime. File systems without hard
            // links fall back to a rename.
            match fs::hard_link(&self.path, &self.target) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
                Err(_) => fs::rename(&self.path, &self.target)?,
                Ok(()) => fs::remove_file(&self.path)?,
            }
            let dir = self.target.parent().filter(|dir| !dir.as_os_str().is_empty());
            File::open(dir.unwrap_or(Path::new(".")))?.sync_all()?;
            Ok(self.file.metadata()?.len())
        };
        complete().map_err(|error| format!("{} can't be written: {error}", self.target.display()).into())
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        // After `persist` the file no longer exists under this name.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes a partial file that is the beginning of a backup and isn't being written. Fails for any other file.
fn remove_stale(path: &Path) -> Result<(), CliError> {
    let not_replaced = |error: io::Error| format!("{} can't be replaced: {error}", path.display());
    let stale = OpenOptions::new().read(true).open(path).map_err(not_replaced)?;
    match stale.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(busy(path)),
        Err(TryLockError::Error(error)) => return Err(not_replaced(error).into()),
        Ok(()) => {}
    }
    let mut head = Vec::new();
    stale.take(MAGIC.len() as u64).read_to_end(&mut head).map_err(not_replaced)?;
    if !MAGIC.starts_with(&head) {
        return Err(format!("{} exists and isn't a partial backup; choose another name", path.display()).into());
    }
    Ok(fs::remove_file(path).map_err(not_replaced)?)
}

fn busy(path: &Path) -> CliError {
    format!("another backup is being written to {}; wait for it or choose another name", path.display()).into()
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn complete_file_has_final_name_and_mode_0600() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("b.dump");
        let mut part = PartialFile::create(&target).unwrap();
        part.file.write_all(b"PGDMP and more").unwrap();
        assert!(!target.exists());
        assert!(PartialFile::create(&target).err().unwrap().to_string().contains("being written"));
        assert_eq!(part.persist().unwrap(), 14);
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(PartialFile::create(&target).err().unwrap().to_string().contains("already exists"));
    }

    #[test]
    fn cancelled_file_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        drop(PartialFile::create(&dir.path().join("b.dump")).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn stale_file_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("b.dump");
        for stale in [&b""[..], b"PG", b"PGDMP and more"] {
            fs::write(dir.path().join("b.dump.part"), stale).unwrap();
            let part = PartialFile::create(&target).unwrap();
            assert_eq!(fs::metadata(part.path()).unwrap().len(), 0);
        }
    }

    #[test]
    fn existing_files_are_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("b.dump");
        fs::write(dir.path().join("b.dump.part"), "a letter").unwrap();
        assert!(PartialFile::create(&target).err().unwrap().to_string().contains("isn't a partial backup"));
        fs::remove_file(dir.path().join("b.dump.part")).unwrap();
        let part = PartialFile::create(&target).unwrap();
        fs::write(&target, "a letter").unwrap();
        assert!(part.persist().is_err());
        assert_eq!(fs::read_to_string(&target).unwrap(), "a letter");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
