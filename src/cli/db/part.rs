//! A file that is there when it is complete, and not before.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Stdio,
};

use super::{super::Failure, archive::MAGIC};

/// A new file on its way: `NAME.part`, locked by whoever writes it, and removed when this is dropped.
pub(super) struct Part {
    target: PathBuf,
    path: PathBuf,
    file: File,
}

impl Part {
    /// Open to nobody else: it holds every tenant's data. What a killed run has left is replaced.
    pub(super) fn begin(target: &Path) -> Result<Self, Failure> {
        if fs::symlink_metadata(target).is_ok() {
            return Err(exists(target));
        }
        let mut path = OsString::from(target);
        path.push(".part");
        let path = PathBuf::from(path);
        let create = || OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = match create() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                remove_leftover(&path)?;
                create()
            }
            result => result,
        };
        let file = file.map_err(|error| format!("{} can't be written: {error}", path.display()))?;
        // The program that writes has the same lock, and keeps it should this process be killed.
        file.try_lock().map_err(|_| busy(&path))?;
        Ok(Self { target: target.to_owned(), path, file })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// For a program's standard output.
    pub(super) fn output(&self) -> io::Result<Stdio> {
        Ok(self.file.try_clone()?.into())
    }

    /// Gives it its name once it is on the disk. How many bytes it has.
    pub(super) fn finish(self) -> Result<u64, Failure> {
        let complete = || {
            self.file.sync_all()?;
            // Unlike a rename, it fails where somebody else has taken the name meanwhile.
            match fs::hard_link(&self.path, &self.target) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
                Err(_) => fs::rename(&self.path, &self.target)?,
                Ok(()) => fs::remove_file(&self.path)?,
            }
            let folder = self.target.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
            Ok(self.file.metadata()?.len())
        };
        complete().map_err(|error| format!("{} can't be written: {error}", self.target.display()).into())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Not there any more once it has its name.
        let _ = fs::remove_file(&self.path);
    }
}

/// Only what is the beginning of a backup, and not being written.
fn remove_leftover(path: &Path) -> Result<(), Failure> {
    let cant = |error: io::Error| format!("{} can't be replaced: {error}", path.display());
    let leftover = OpenOptions::new().read(true).open(path).map_err(cant)?;
    match leftover.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(busy(path)),
        Err(TryLockError::Error(error)) => return Err(cant(error).into()),
        Ok(()) => {}
    }
    let mut head = Vec::new();
    leftover.take(MAGIC.len() as u64).read_to_end(&mut head).map_err(cant)?;
    if !MAGIC.starts_with(&head) {
        return Err(format!("{} is in the way and isn't part of a backup: choose another name", path.display()).into());
    }
    Ok(fs::remove_file(path).map_err(cant)?)
}

fn exists(target: &Path) -> Failure {
    format!("{} exists, and a backup never overwrites: choose another name", target.display()).into()
}

fn busy(path: &Path) -> Failure {
    format!("another backup is being written to {}: wait for it, or choose another name", path.display()).into()
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_file_has_its_name_once_it_is_complete_and_is_open_to_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("b.dump");
        let mut part = Part::begin(&target).unwrap();
        part.file.write_all(b"PGDMP and more").unwrap();
        assert!(!target.exists());
        assert!(Part::begin(&target).err().unwrap().to_string().contains("being written"));
        assert_eq!(part.finish().unwrap(), 14);
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(Part::begin(&target).err().unwrap().to_string().contains("never overwrites"));
    }

    #[test]
    fn what_is_given_up_leaves_nothing_and_what_was_killed_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("b.dump");
        drop(Part::begin(&target).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        for left in [&b""[..], b"PG", b"PGDMP and more"] {
            fs::write(folder.path().join("b.dump.part"), left).unwrap();
            let part = Part::begin(&target).unwrap();
            assert_eq!(fs::metadata(part.path()).unwrap().len(), 0);
        }
    }

    #[test]
    fn neither_a_foreign_file_nor_a_name_taken_meanwhile_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("b.dump");
        fs::write(folder.path().join("b.dump.part"), "a letter").unwrap();
        assert!(Part::begin(&target).err().unwrap().to_string().contains("in the way"));
        fs::remove_file(folder.path().join("b.dump.part")).unwrap();
        let part = Part::begin(&target).unwrap();
        fs::write(&target, "a letter").unwrap();
        assert!(part.finish().is_err());
        assert_eq!(fs::read_to_string(&target).unwrap(), "a letter");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
