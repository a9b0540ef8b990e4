//! Settings of a server.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

#[cfg(feature = "download")]
use crate::download::options::DownloadOptions;

/// Settings of a [`Server`](crate::Server).
#[derive(Debug, Clone)]
pub struct Options {
    /// Directory that holds data, socket, log and lock. It must be new, empty, or created by an earlier start.
    pub root: PathBuf,
    /// Directory of the programs `postgres` and `initdb`. With `None`, [`search_path`](Self::search_path) and the
    /// well-known directories are searched; the newest version is used, or the one that wrote existing data.
    pub bin_dir: Option<PathBuf>,
    /// Directories to search, in the format of `PATH`. The crate doesn't read the environment itself.
    pub search_path: Option<OsString>,
    /// Whether to search the directories where installers usually put PostgreSQL as well.
    pub search_well_known_dirs: bool,
    /// Where to download PostgreSQL if none is installed. With `None`, a missing installation is an error.
    #[cfg(feature = "download")]
    pub download: Option<DownloadOptions>,
    /// Whether commits survive a power failure. `false` is faster, for data that may be lost.
    pub durable: bool,
    /// Database roles, besides the superuser, that the permitted operating system users may connect as. The roles
    /// aren't created.
    pub extra_roles: Vec<String>,
    /// Maximum number of connections, at least 4. Three of them are reserved for superusers.
    pub max_connections: u16,
    /// Parent of the directory that replaces `root` when this process is root and the server's user can't access the
    /// parent of `root`. The replacement is named after a hash of `root`.
    pub fallback_root_dir: PathBuf,
    /// Path prefix of the socket directory that is used when the path of `root` contains a comma or is too long for a
    /// socket. A hash of `root` is appended.
    pub fallback_socket_prefix: PathBuf,
    /// Maximum time until the server accepts connections, including crash recovery.
    pub start_timeout: Duration,
    /// Maximum time for a fast shutdown. It is followed by an immediate shutdown, which loses no data but requires
    /// crash recovery at the next start.
    pub stop_timeout: Duration,
}

impl Options {
    /// Creates settings with the defaults: durable, 100 connections, 60 s to start, 30 s to stop, no search path.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            bin_dir: None,
            search_path: None,
            search_well_known_dirs: true,
            #[cfg(feature = "download")]
            download: None,
            durable: true,
            extra_roles: Vec::new(),
            max_connections: 100,
            fallback_root_dir: PathBuf::from("/var/lib/embedded-postgres"),
            fallback_socket_prefix: PathBuf::from("/tmp/embedded-postgres-"),
            start_timeout: Duration::from_secs(60),
            stop_timeout: Duration::from_secs(30),
        }
    }
}
