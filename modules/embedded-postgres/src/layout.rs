//! Directory layout and locking, see "Directory layout" in the README. The root belongs to the server's user and is
//! locked while a server uses it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use nix::libc::O_NOFOLLOW;

use crate::server_user::ServerUser;
use crate::system::{Lock, create_public_dir, if_exists, remove_file};
use crate::{Error, Options};

/// Part of the socket's file name. A fixed number suffices, since each server has its own directory.
pub(crate) const PORT: u16 = 5432;
const LOCK_FILE: &str = "embedded-postgres.lock";
const SOCKET_DIR: &str = "socket";
const SOCKET_FILE: &str = ".s.PGSQL.5432";
/// Limit of a socket's path in bytes, exclusive. Linux allows 107, macOS 103.
const SOCKET_PATH_LIMIT: usize = 100;
/// In bytes.
const MAX_LOG_SIZE: u64 = 10 * 1024 * 1024;

/// Paths of the files and directories of one server.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) root: PathBuf,
    pub(crate) socket_dir: PathBuf,
}

impl Layout {
    /// Creates the directories. Existing files and directories stay unchanged, except for the owner and mode of a root
    /// that is empty or already ours.
    pub(crate) fn prepare(options: &Options, user: &ServerUser) -> Result<Self, Error> {
        let root = accessible_root(resolve_root(&options.root)?, options, user)?;
        claim_root(&root, user)?;
        // The lock file comes first: another process would reject a directory with any other content as foreign.
        let create = r#": >>"$1" && mkdir -p "$2""#;
        user.shell(create, &[root.join(LOCK_FILE).as_os_str(), root.join(SOCKET_DIR).as_os_str()])
            .map_err(Error::io("write", &root))?;
        let socket_dir = socket_dir(&root, options)?;
        if socket_dir != root.join(SOCKET_DIR) {
            create_fallback_socket_dir(&socket_dir, user)?;
        }
        Ok(Self { root, socket_dir })
    }

    /// Returns the paths that [`prepare`](Self::prepare) would use, without creating anything.
    pub(crate) fn locate(options: &Options, user: &ServerUser) -> Result<Self, Error> {
        let requested = std::path::absolute(&options.root).map_err(Error::io("resolve", &options.root))?;
        reject_dangling_link(&requested)?;
        let (ancestor, requested) = split_at_existing(&requested);
        let parent = if ancestor == requested { requested.parent().unwrap_or(&requested) } else { &ancestor };
        let root = match can_use_root(&requested, parent, user)? {
            true => requested,
            false => split_at_existing(&options.fallback_root_dir.join(path_hash(&requested))).1,
        };
        let socket_dir = socket_dir(&root, options)?;
        Ok(Self { root, socket_dir })
    }

    /// Returns whether the root exists and isn't empty. Fails if it isn't a database directory or has a foreign owner.
    pub(crate) fn exists(&self, user: &ServerUser) -> Result<bool, Error> {
        let root = &self.root;
        let Some(metadata) = if_exists(fs::symlink_metadata(root), "read", root)? else { return Ok(false) };
        check_owner(root, &metadata, user)?;
        Ok(!is_empty_or_ours(root)?)
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.root.join("data")
    }

    pub(crate) fn log_file(&self) -> PathBuf {
        self.root.join("postgres.log")
    }

    /// Returns the file that exists while `initdb` runs, and contains its process id.
    pub(crate) fn initdb_marker(&self) -> PathBuf {
        self.root.join("initializing")
    }

    pub(crate) fn discarded_dir(&self) -> PathBuf {
        self.root.join("discarded")
    }

    /// Returns the file that exists until the caller has completed its first-time setup.
    pub(crate) fn setup_marker(&self) -> PathBuf {
        self.root.join("setup-pending")
    }

    /// Locks the root.
    pub(crate) fn lock(&self) -> Result<Lock, Error> {
        let path = self.root.join(LOCK_FILE);
        let file = OpenOptions::new().read(true).custom_flags(O_NOFOLLOW).open(&path);
        let file = file.map_err(Error::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock(file)),
            Err(TryLockError::WouldBlock) => Err(Error::InUse { dir: self.root.clone() }),
            Err(TryLockError::Error(error)) => Err(Error::io("lock", &path)(error)),
        }
    }

    /// Removes the socket and socket lock file of a stopped server. The lock file contains a process id. If that id was
    /// reused, a new server would fail to start.
    pub(crate) fn remove_stale_socket(&self) -> Result<(), Error> {
        remove_file(&self.socket_dir.join(SOCKET_FILE))?;
        remove_file(&self.socket_dir.join(format!("{SOCKET_FILE}.lock")))
    }

    /// Removes a socket directory outside of the root, after the server has stopped.
    pub(crate) fn remove_fallback_socket_dir(&self) {
        if !self.socket_dir.starts_with(&self.root) {
            let _ = fs::remove_dir(&self.socket_dir);
        }
    }

    pub(crate) fn rotate_log(&self) -> Result<(), Error> {
        let log = self.log_file();
        if fs::symlink_metadata(&log).is_ok_and(|metadata| metadata.len() > MAX_LOG_SIZE) {
            fs::rename(&log, self.root.join("postgres.log.1")).map_err(Error::io("rename", &log))?;
        }
        Ok(())
    }

    /// Makes the creation and removal of files in the root survive a power failure, unless `durable` is off.
    pub(crate) fn sync(&self, options: &Options) -> Result<(), Error> {
        if !options.durable {
            return Ok(());
        }
        File::open(&self.root).and_then(|root| root.sync_all()).map_err(Error::io("sync", &self.root))
    }
}

/// Returns the canonical path of a directory that may not exist yet, and creates its parents. Symbolic links are
/// resolved; otherwise two processes could reach one directory by different paths and use different sockets.
fn resolve_root(dir: &Path) -> Result<PathBuf, Error> {
    let absolute = std::path::absolute(dir).map_err(Error::io("resolve", dir))?;
    let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        return Err(Error::io("use", dir)(io::ErrorKind::InvalidInput.into()));
    };
    reject_dangling_link(&absolute)?;
    fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    let path = parent.canonicalize().map_err(Error::io("resolve", parent))?.join(name);
    Ok(path.canonicalize().unwrap_or(path))
}

/// Returns the root, or the fallback if the server's user can't access the parent (a project in root's home).
fn accessible_root(root: PathBuf, options: &Options, user: &ServerUser) -> Result<PathBuf, Error> {
    if can_use_root(&root, root.parent().unwrap_or(&root), user)? {
        return Ok(root);
    }
    let fallback = &options.fallback_root_dir;
    // The directories inside are private.
    create_public_dir(&std::path::absolute(fallback).map_err(Error::io("resolve", fallback))?)?;
    let fallback_root = resolve_root(&fallback.join(path_hash(&root)))?;
    let parent = fallback_root.parent().unwrap_or(&fallback_root);
    if !user.can_enter(parent) {
        return Err(Error::ParentNotAccessible { dir: parent.to_owned(), user: user.name().to_owned() });
    }
    tracing::warn!(
        requested = %root.display(), used = %fallback_root.display(), user = user.name(),
        "using a fallback database directory: the server's user can't access the parent of the requested one"
    );
    link_to_fallback(&root, &fallback_root);
    Ok(fallback_root)
}

/// Returns whether the server's user can access the parent of the root. Fails if it can't and the root already contains
/// a database, which was moved there: the fallback would start with an empty one.
fn can_use_root(root: &Path, parent: &Path, user: &ServerUser) -> Result<bool, Error> {
    if user.can_enter(parent) {
        return Ok(true);
    }
    if fs::symlink_metadata(root.join(LOCK_FILE)).is_ok() {
        return Err(Error::ParentNotAccessible { dir: parent.to_owned(), user: user.name().to_owned() });
    }
    Ok(false)
}

/// Creates a symbolic link from the requested root to the fallback. The name of the fallback is derived from the
/// requested path, so the link is needed to find the database again after the parent was moved. Failure isn't fatal.
fn link_to_fallback(requested: &Path, fallback_root: &Path) {
    // Fails unless the directory is empty.
    let _ = fs::remove_dir(requested);
    if let Err(error) = symlink(fallback_root, requested) {
        tracing::warn!(
            error = &error as &dyn std::error::Error, link = %requested.display(), to = %fallback_root.display(),
            "failed to link to the fallback database directory; it won't be found if the parent is moved"
        );
    }
}

/// Rejects a dangling link instead of creating an empty database: the link shows that there was a database.
fn reject_dangling_link(path: &Path) -> Result<(), Error> {
    match fs::read_link(path) {
        Ok(target) if !path.exists() => Err(Error::DanglingLink { link: path.to_owned(), target }),
        _ => Ok(()),
    }
}

/// Returns the canonical path of the deepest existing ancestor, and that ancestor joined with the rest of the path.
fn split_at_existing(path: &Path) -> (PathBuf, PathBuf) {
    for ancestor in path.ancestors() {
        if let Ok(real) = ancestor.canonicalize() {
            let rest = path.strip_prefix(ancestor).unwrap_or(Path::new(""));
            let whole = if rest.as_os_str().is_empty() { real.clone() } else { real.join(rest) };
            return (real, whole);
        }
    }
    (PathBuf::from("/"), path.to_owned())
}

/// Makes the server's user the owner of the root and sets mode 0700. Only a new or empty directory, or one that this
/// crate created, is accepted: a mistyped path could otherwise lock all users out of `/var/lib`.
fn claim_root(root: &Path, user: &ServerUser) -> Result<(), Error> {
    create_private_dir(root)?;
    let metadata = fs::symlink_metadata(root).map_err(Error::io("read", root))?;
    check_owner(root, &metadata, user)?;
    is_empty_or_ours(root)?;
    chown_to_server_user(root, &metadata, user)
}

fn check_owner(root: &Path, metadata: &fs::Metadata, user: &ServerUser) -> Result<(), Error> {
    let owner = metadata.uid();
    if owner != user.uid() && owner != user.process_uid() {
        return Err(Error::WrongOwner { dir: root.to_owned(), owner, user: user.name().to_owned() });
    }
    Ok(())
}

/// Returns whether the directory is empty. Fails if it contains anything other than a database of this crate.
fn is_empty_or_ours(root: &Path) -> Result<bool, Error> {
    let is_empty = fs::read_dir(root).map_err(Error::io("read", root))?.next().is_none();
    if !is_empty && fs::symlink_metadata(root.join(LOCK_FILE)).is_err() {
        return Err(Error::ForeignDirectory { dir: root.to_owned() });
    }
    Ok(is_empty)
}

fn create_private_dir(dir: &Path) -> Result<(), Error> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(Error::io("create", dir)(error)),
        _ => Ok(()),
    }
}

/// Sets mode 0700 and makes the server's user the owner.
fn chown_to_server_user(dir: &Path, metadata: &fs::Metadata, user: &ServerUser) -> Result<(), Error> {
    if metadata.mode() & 0o7777 != 0o700 {
        fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(Error::io("set the permissions of", dir))?;
    }
    if metadata.uid() != user.uid() {
        lchown(dir, Some(user.uid()), Some(user.gid())).map_err(Error::io("change the owner of", dir))?;
    }
    Ok(())
}

/// Returns the socket directory in the root, or one with a short path if a socket can't be in the root.
fn socket_dir(root: &Path, options: &Options) -> Result<PathBuf, Error> {
    let default = root.join(SOCKET_DIR);
    if is_valid_socket_dir(&default) {
        return Ok(default);
    }
    let mut fallback = options.fallback_socket_prefix.clone().into_os_string();
    fallback.push(path_hash(root));
    std::path::absolute(&fallback).map_err(Error::io("resolve", Path::new(&fallback)))
}

/// Creates a socket directory outside of the root. Its parent is usually world-writable (`/tmp`). An existing entry is
/// accepted only if it is a real directory owned by the server's user, or, after an interrupted start, by this
/// process's user.
fn create_fallback_socket_dir(dir: &Path, user: &ServerUser) -> Result<(), Error> {
    if !is_valid_socket_dir(dir) {
        return Err(Error::InvalidSocketPath { dir: dir.to_owned() });
    }
    create_private_dir(dir)?;
    let metadata = fs::symlink_metadata(dir).map_err(Error::io("read", dir))?;
    let is_owner_expected = [user.uid(), user.process_uid()].contains(&metadata.uid());
    if !metadata.is_dir() || !is_owner_expected {
        return Err(Error::UnsafeSocketDir { dir: dir.to_owned(), user: user.name().to_owned() });
    }
    chown_to_server_user(dir, &metadata, user)
}

/// Returns whether a socket in this directory can be used. PostgreSQL clients interpret a host with a comma as a list.
fn is_valid_socket_dir(dir: &Path) -> bool {
    dir.as_os_str().len() + 1 + SOCKET_FILE.len() < SOCKET_PATH_LIMIT && !dir.as_os_str().as_bytes().contains(&b',')
}

/// Hashes a path with FNV-1a. The standard library's hash may change between releases, and the fallback directory would
/// no longer be found.
fn path_hash(path: &Path) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    format!("{:016x}", path.as_os_str().as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_fnv_1a() {
        assert_eq!(path_hash(Path::new("")), "cbf29ce484222325");
        assert_eq!(path_hash(Path::new("foobar")), "85944171f73967e8");
    }

    #[test]
    fn long_socket_path_and_comma_are_invalid() {
        assert!(is_valid_socket_dir(Path::new(&format!("/{}", "x".repeat(84)))));
        assert!(!is_valid_socket_dir(Path::new(&format!("/{}", "x".repeat(85)))));
        assert!(!is_valid_socket_dir(Path::new("/a,b")));
    }
}
