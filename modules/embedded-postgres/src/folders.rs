//! Where the server lives: one folder that belongs to the user who runs it, and that is locked while it is used.
//!
//! ```text
//! <root>/embedded-postgres.lock   held as long as the server is
//!        data/                    PostgreSQL's own
//!        socket/                  not used where its path is too long for a socket
//!        postgres.log             and postgres.log.1, the one before
//!        initializing             while `data` is being created, holds the process id of `initdb`
//!        discarded/               the remains of an interrupted `initdb`, on their way out
//!        unsettled                until the caller says that its first-time set-up is complete
//! ```
//!
//! Where another folder stands in for the root, the root is a link to it.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use nix::libc::O_NOFOLLOW;

use crate::account::Account;
use crate::{Error, Options};

const LOCK: &str = "embedded-postgres.lock";
const SOCKET_FILE: &str = ".s.PGSQL.5432";
/// Linux allows 107 bytes, macOS 103.
const SOCKET_LIMIT: usize = 100;
const LOG_LIMIT: u64 = 10 * 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Folders {
    pub(crate) root: PathBuf,
    /// Where the socket is.
    pub(crate) socket: PathBuf,
}

impl Folders {
    /// Finds and creates the folders. Nothing that was there before is changed, apart from the owner of an empty one.
    pub(crate) fn prepare(options: &Options, account: &Account) -> Result<Self, Error> {
        let root = reachable(resolve(&options.root)?, options, account)?;
        adopt(&root, account)?;
        let inside = root.join("socket");
        // The lock's file first: another process takes a folder that holds anything else for somebody's own.
        let create = r#": >>"$1" && mkdir -p "$2""#;
        account
            .shell(create, &[root.join(LOCK).as_os_str(), inside.as_os_str()])
            .map_err(Error::file("written", &root))?;
        let socket = if fits(&inside) { inside } else { elsewhere(&root, options, account)? };
        Ok(Self { root, socket })
    }

    /// Finds the folders that [`prepare`](Self::prepare) would, and creates nothing.
    pub(crate) fn locate(options: &Options, account: &Account) -> Result<Self, Error> {
        let wanted = std::path::absolute(&options.root).map_err(Error::file("found", &options.root))?;
        refuse_dangling(&wanted)?;
        let (ancestor, wanted) = longest_existing(&wanted);
        let parent = if ancestor == wanted { wanted.parent().unwrap_or(&wanted) } else { &ancestor };
        let root = match may_stay(&wanted, parent, account)? {
            true => wanted,
            false => longest_existing(&options.closed_parent_fallback.join(hash(&wanted))).1,
        };
        let inside = root.join("socket");
        let socket = if fits(&inside) { inside } else { PathBuf::from(socket_name(&root, options)) };
        Ok(Self { root, socket })
    }

    /// Whether anything is there; an error where it isn't a database folder or is somebody else's.
    pub(crate) fn are_there(&self, account: &Account) -> Result<bool, Error> {
        let root = &self.root;
        match fs::symlink_metadata(root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            result => check_owner(root, &result.map_err(Error::file("read", root))?, account)?,
        }
        Ok(!is_empty_or_ours(root)?)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("postgres.log")
    }

    pub(crate) fn initializing(&self) -> PathBuf {
        self.root.join("initializing")
    }

    pub(crate) fn discarded(&self) -> PathBuf {
        self.root.join("discarded")
    }

    pub(crate) fn unsettled(&self) -> PathBuf {
        self.root.join("unsettled")
    }

    /// The lock goes with the open file, so it ends with this process however that ends.
    pub(crate) fn lock(&self) -> Result<File, Error> {
        let path = self.root.join(LOCK);
        let file = OpenOptions::new().read(true).custom_flags(O_NOFOLLOW).open(&path);
        let file = file.map_err(Error::file("opened", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Error::InUse { folder: self.root.clone() }),
            Err(TryLockError::Error(error)) => Err(Error::file("locked", &path)(error)),
        }
    }

    /// Takes away what a server that is gone has left at the socket: it names a process id that may by now be somebody
    /// else's, on which a new server would give up.
    pub(crate) fn clear_socket(&self) -> Result<(), Error> {
        remove(&self.socket.join(SOCKET_FILE))?;
        remove(&self.socket.join(format!("{SOCKET_FILE}.lock")))
    }

    /// After a stop: a folder outside of the root isn't left behind.
    pub(crate) fn tidy(&self) {
        if !self.socket.starts_with(&self.root) {
            let _ = fs::remove_dir(&self.socket);
        }
    }

    pub(crate) fn rotate_log(&self) -> Result<(), Error> {
        let log = self.log();
        if fs::symlink_metadata(&log).is_ok_and(|metadata| metadata.len() > LOG_LIMIT) {
            fs::rename(&log, self.root.join("postgres.log.1")).map_err(Error::file("renamed", &log))?;
        }
        Ok(())
    }

    /// Makes what was created and removed in the root outlive a power cut.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        File::open(&self.root).and_then(|root| root.sync_all()).map_err(Error::file("synced", &self.root))
    }
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file("removed", path)(error)),
        _ => Ok(()),
    }
}

/// The one absolute path of a folder that may not exist yet, whose parents will. Links are followed, or two processes
/// could come by different paths to one folder and to two sockets.
fn resolve(folder: &Path) -> Result<PathBuf, Error> {
    let absolute = std::path::absolute(folder).map_err(Error::file("found", folder))?;
    let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        return Err(Error::file("used", folder)(io::ErrorKind::InvalidInput.into()));
    };
    refuse_dangling(&absolute)?;
    fs::create_dir_all(parent).map_err(Error::file("created", parent))?;
    let path = parent.canonicalize().map_err(Error::file("found", parent))?.join(name);
    Ok(path.canonicalize().unwrap_or(path))
}

/// The folder, or its replacement where a parent is closed to the user who runs the server (a clone in root's home).
fn reachable(root: PathBuf, options: &Options, account: &Account) -> Result<PathBuf, Error> {
    if may_stay(&root, root.parent().unwrap_or(&root), account)? {
        return Ok(root);
    }
    let fallback = &options.closed_parent_fallback;
    if !fallback.exists() {
        fs::create_dir_all(fallback).map_err(Error::file("created", fallback))?;
        // Whatever the umask says; what is private is a level below.
        fs::set_permissions(fallback, Permissions::from_mode(0o755)).map_err(Error::file("opened", fallback))?;
    }
    let replacement = resolve(&fallback.join(hash(&root)))?;
    let parent = replacement.parent().unwrap_or(&replacement);
    if !account.can_enter(parent) {
        return Err(Error::Closed { folder: parent.to_owned(), account: account.name().to_owned() });
    }
    tracing::warn!(
        wanted = %root.display(), used = %replacement.display(), user = account.name(),
        "the database's user may not enter the parent of its folder, so another folder is used"
    );
    leave_link(&root, &replacement);
    Ok(replacement)
}

/// Whether the database can be where it was asked for; an error where it can't and yet is, since it was moved there: a
/// replacement would begin anew beside it.
fn may_stay(root: &Path, parent: &Path, account: &Account) -> Result<bool, Error> {
    if account.can_enter(parent) {
        return Ok(true);
    }
    if fs::symlink_metadata(root.join(LOCK)).is_ok() {
        return Err(Error::Closed { folder: parent.to_owned(), account: account.name().to_owned() });
    }
    Ok(false)
}

/// Leads from the folder that was wanted to its replacement, so that the database is found again after the folder's
/// parent was moved: the replacement's name comes from the path. Without it everything else works.
fn leave_link(wanted: &Path, replacement: &Path) {
    // Only an empty folder gives way.
    let _ = fs::remove_dir(wanted);
    if let Err(error) = symlink(replacement, wanted) {
        tracing::warn!(
            error = &error as &dyn std::error::Error, link = %wanted.display(), to = %replacement.display(),
            "no link could be left: the database won't be found once the parent of its folder is moved"
        );
    }
}

/// A link that leads nowhere isn't the way to a new database: the old one is somewhere.
fn refuse_dangling(path: &Path) -> Result<(), Error> {
    match fs::read_link(path) {
        Ok(target) if !path.exists() => Err(Error::LinkToNowhere { link: path.to_owned(), target }),
        _ => Ok(()),
    }
}

/// The deepest part of a path that exists, without links, and the whole path with it.
fn longest_existing(path: &Path) -> (PathBuf, PathBuf) {
    for ancestor in path.ancestors() {
        if let Ok(real) = ancestor.canonicalize() {
            let rest = path.strip_prefix(ancestor).unwrap_or(Path::new(""));
            let whole = if rest.as_os_str().is_empty() { real.clone() } else { real.join(rest) };
            return (real, whole);
        }
    }
    (PathBuf::from("/"), path.to_owned())
}

/// Makes the folder one of the account's, mode 0700. Only a new or empty one is taken over: with a mistyped path this
/// would otherwise shut everyone out of `/var/lib`.
fn adopt(root: &Path, account: &Account) -> Result<(), Error> {
    create_private(root)?;
    let metadata = fs::symlink_metadata(root).map_err(Error::file("read", root))?;
    check_owner(root, &metadata, account)?;
    is_empty_or_ours(root)?;
    hand_over(root, &metadata, account)
}

fn check_owner(root: &Path, metadata: &fs::Metadata, account: &Account) -> Result<(), Error> {
    let owner = metadata.uid();
    if owner != account.uid() && owner != account.own_uid() {
        return Err(Error::WrongOwner { folder: root.to_owned(), owner, account: account.name().to_owned() });
    }
    Ok(())
}

/// Whether the folder is empty; an error where it has other things in it than a database of this crate.
fn is_empty_or_ours(root: &Path) -> Result<bool, Error> {
    let is_empty = fs::read_dir(root).map_err(Error::file("read", root))?.next().is_none();
    if !is_empty && fs::symlink_metadata(root.join(LOCK)).is_err() {
        return Err(Error::NotOurs { folder: root.to_owned() });
    }
    Ok(is_empty)
}

fn create_private(folder: &Path) -> Result<(), Error> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(Error::file("created", folder)(error)),
        _ => Ok(()),
    }
}

fn hand_over(folder: &Path, metadata: &fs::Metadata, account: &Account) -> Result<(), Error> {
    if metadata.mode() & 0o7777 != 0o700 {
        fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(Error::file("made private", folder))?;
    }
    if metadata.uid() != account.uid() {
        let (user, group) = (account.uid(), account.gid());
        lchown(folder, Some(user), Some(group)).map_err(Error::file("handed over", folder))?;
    }
    Ok(())
}

/// A short place for the socket. It is in a folder that everybody may write to, so what is there already is trusted
/// only when it is a real folder of the expected user (or of this process, which then was cut short).
fn elsewhere(root: &Path, options: &Options, account: &Account) -> Result<PathBuf, Error> {
    let name = socket_name(root, options);
    let folder = std::path::absolute(&name).map_err(Error::file("found", Path::new(&name)))?;
    if !fits(&folder) {
        return Err(Error::BadSocketPath { folder });
    }
    create_private(&folder)?;
    let metadata = fs::symlink_metadata(&folder).map_err(Error::file("read", &folder))?;
    let expected = [account.uid(), account.own_uid()].contains(&metadata.uid());
    if !metadata.is_dir() || !expected {
        return Err(Error::UnsafeSocketFolder { folder, account: account.name().to_owned() });
    }
    hand_over(&folder, &metadata, account)?;
    Ok(folder)
}

fn socket_name(root: &Path, options: &Options) -> OsString {
    let mut name = OsString::from(&options.socket_fallback);
    name.push(hash(root));
    name
}

/// PostgreSQL's own clients take a host with a comma in it for a list.
fn fits(folder: &Path) -> bool {
    folder.as_os_str().len() + 1 + SOCKET_FILE.len() < SOCKET_LIMIT && !folder.as_os_str().as_bytes().contains(&b',')
}

/// FNV-1a. The standard library's hash may change with its release, and the folder would be lost with it.
fn hash(path: &Path) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    format!("{:016x}", path.as_os_str().as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(hash(Path::new("")), "cbf29ce484222325");
        assert_eq!(hash(Path::new("foobar")), "85944171f73967e8");
    }

    #[test]
    fn a_socket_path_has_less_than_100_bytes_and_no_comma() {
        assert!(fits(Path::new(&format!("/{}", "x".repeat(84)))));
        assert!(!fits(Path::new(&format!("/{}", "x".repeat(85)))));
        assert!(!fits(Path::new("/a,b")));
    }
}
