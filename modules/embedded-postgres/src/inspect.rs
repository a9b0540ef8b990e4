//! Inspection of a database directory without side effects. It doesn't even try to take the lock, since that could make
//! a concurrent start of another process fail.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc::O_NOFOLLOW;

use crate::client_tools::ConnectionInfo;
use crate::installation::Installation;
use crate::layout::Layout;
use crate::server_user::ServerUser;
use crate::system::{if_exists, read_tail};
use crate::{Error, Options, data_dir, discovery, orphan, proc_table};

/// Maximum number of bytes of the log to read for its last lines.
const MAX_LOG_TAIL: u64 = 1024 * 1024;

/// The state of a database directory at one moment. Another process may change it at any time.
#[derive(Debug)]
pub struct Inspection {
    layout: Layout,
    state: ServerState,
    options: Options,
}

/// Whether a directory contains a database, and whether a server runs on it.
#[derive(Debug)]
pub enum ServerState {
    /// There is no database.
    Absent,
    /// There is a database, and no server runs on it.
    Stopped {
        /// Major version that wrote the data.
        major: u32,
    },
    /// The database is being created, or the server is starting or stopping.
    Busy,
    /// A server accepts connections.
    Running(RunningServer),
}

/// A running server that this or another process has started.
#[derive(Debug)]
pub struct RunningServer {
    /// Process id of the server.
    pub pid: u32,
    /// The process that started it; `None` if it is unknown or has exited.
    pub owner: Option<OwnerProcess>,
    /// How to connect to it.
    pub connection: ConnectionInfo,
}

/// The process that started a server.
#[derive(Debug, Clone)]
pub struct OwnerProcess {
    /// Process id.
    pub pid: u32,
    /// Start of the command line: the program's file name and up to two arguments.
    pub command: String,
}

impl Inspection {
    /// Inspects the directory that a server with these options would use.
    ///
    /// # Errors
    ///
    /// Returns an error if the directory has a foreign owner or can't be read, or if no installation matches the
    /// running server.
    pub fn of(options: Options) -> Result<Self, Error> {
        let user = ServerUser::choose()?;
        let layout = Layout::locate(&options, &user)?;
        let state = if layout.exists(&user)? { server_state(&layout, &options, &user)? } else { ServerState::Absent };
        Ok(Self { layout, state, options })
    }

    /// Returns the directory in use. See [`Server::root`](crate::Server::root).
    pub fn root(&self) -> &Path {
        &self.layout.root
    }

    /// Returns the state at the time of the inspection.
    pub fn state(&self) -> &ServerState {
        &self.state
    }

    /// Returns the major version that wrote the data; `None` if there is no data or the state is
    /// [`Busy`](ServerState::Busy).
    pub fn major(&self) -> Option<u32> {
        match &self.state {
            ServerState::Absent | ServerState::Busy => None,
            ServerState::Stopped { major } => Some(*major),
            ServerState::Running(running) => Some(running.connection.installation().major()),
        }
    }

    /// Returns the installation in use, or the one that a start would use.
    ///
    /// # Errors
    ///
    /// Returns an error if no suitable installation exists.
    pub fn installation(&self) -> Result<Installation, Error> {
        if let ServerState::Running(running) = &self.state {
            return Ok(running.connection.installation().clone());
        }
        let installations = discovery::discover(&self.options, &ServerUser::choose()?)?;
        let data_dir = self.layout.data_dir();
        discovery::select(installations, self.major().map(|major| (data_dir.as_path(), major)), &self.options)
    }

    /// Returns the path of the server's log.
    pub fn log_file(&self) -> PathBuf {
        self.layout.log_file()
    }

    /// Returns the last lines of the log, within its last MiB. The result is empty if there is no log.
    ///
    /// # Errors
    ///
    /// Returns an error if the log can't be read.
    pub fn log_lines(&self, count: usize) -> Result<Vec<String>, Error> {
        let path = self.layout.log_file();
        let file = OpenOptions::new().read(true).custom_flags(O_NOFOLLOW).open(&path);
        let tail = file.and_then(|file| read_tail(file, 0, MAX_LOG_TAIL));
        let text = if_exists(tail, "read", &path)?.unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        Ok(lines[lines.len().saturating_sub(count)..].iter().map(|line| (*line).to_owned()).collect())
    }

    /// Returns the disk usage of the directory in bytes. Files of a running server may appear and disappear meanwhile.
    ///
    /// # Errors
    ///
    /// Returns an error if a directory can't be read.
    pub fn size(&self) -> Result<u64, Error> {
        disk_usage(&self.layout.root)
    }
}

fn server_state(layout: &Layout, options: &Options, user: &ServerUser) -> Result<ServerState, Error> {
    let data_dir = layout.data_dir();
    if let Some((pid, ready)) = orphan::find_server(&data_dir)? {
        let major = if ready { data_dir::existing_major(layout)? } else { None };
        let Some(major) = major else { return Ok(ServerState::Busy) };
        let installation = running_installation(pid, major, &data_dir, options, user)?;
        let connection = ConnectionInfo { installation, socket_dir: layout.socket_dir.clone() };
        return Ok(ServerState::Running(RunningServer { pid, owner: owner_process(pid)?, connection }));
    }
    if orphan::is_initdb_running(&layout.initdb_marker(), &data_dir)? {
        return Ok(ServerState::Busy);
    }
    Ok(data_dir::existing_major(layout)?.map_or(ServerState::Absent, |major| ServerState::Stopped { major }))
}

/// Returns the installation that the server was started from if discovery finds it, otherwise one of the same major
/// version.
///
/// The server's command line is trusted only if the server runs as the user of this process. Otherwise the server's
/// user could choose programs that root runs next.
fn running_installation(
    server: u32,
    major: u32,
    data_dir: &Path,
    options: &Options,
    user: &ServerUser,
) -> Result<Installation, Error> {
    let bin_dir = proc_table::server_program(server)?.and_then(|program| program.parent().map(Path::to_owned));
    let installations = discovery::discover(options, user);
    let is_same = |one: &&Installation| bin_dir.as_deref() == Some(one.bin_dir());
    if let Some(discovered) = installations.as_ref().ok().and_then(|all| all.iter().find(is_same)) {
        return Ok(discovered.clone());
    }
    let trusted_dir = bin_dir.filter(|_| !user.is_fallback());
    match trusted_dir.and_then(|dir| user.probe(&dir).ok()) {
        Some(installation) => Ok(installation),
        None => discovery::select(installations?, Some((data_dir, major)), options),
    }
}

/// Returns the process that started the server: the parent of the supervising shell, which is the parent of the server.
fn owner_process(server: u32) -> Result<Option<OwnerProcess>, Error> {
    let Some(shell) = proc_table::parent_pid(server)? else { return Ok(None) };
    if !proc_table::command_line(shell)?.first().is_some_and(|program| program.ends_with("sh")) {
        return Ok(None);
    }
    let Some(pid) = proc_table::parent_pid(shell)? else { return Ok(None) };
    let command_line = proc_table::command_line(pid)?;
    let Some((program, arguments)) = command_line.split_first() else { return Ok(None) };
    let program = program.rsplit('/').next().unwrap_or(program);
    let shown: Vec<_> = std::iter::once(program).chain(arguments.iter().take(2).map(String::as_str)).collect();
    // A process can have any name, and this text is shown in terminals.
    let command = shown.join(" ").chars().filter(|c| !c.is_control()).take(80).collect();
    Ok(Some(OwnerProcess { pid, command }))
}

/// Returns the disk usage of a file or directory in bytes. Files that disappear in the meantime are skipped.
fn disk_usage(path: &Path) -> Result<u64, Error> {
    let Some(metadata) = if_exists(fs::symlink_metadata(path), "read", path)? else { return Ok(0) };
    let mut bytes = metadata.blocks() * 512;
    if metadata.is_dir() {
        for entry in if_exists(fs::read_dir(path), "read", path)?.into_iter().flatten().flatten() {
            bytes += disk_usage(&entry.path())?;
        }
    }
    Ok(bytes)
}
