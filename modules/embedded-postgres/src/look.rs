//! A look at a database folder that starts, creates and changes nothing, and doesn't take the lock: it may be another
//! process's, which is only just starting.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc::O_NOFOLLOW;

use crate::account::Account;
use crate::binaries::{self, Installation};
use crate::folders::Folders;
use crate::programs::Client;
use crate::{Error, Options, cluster, leftover};

/// How much of the log is read for its last lines.
const LOG_TAIL: u64 = 1024 * 1024;

/// What is to be seen in a folder. Another process may change it at any time.
#[derive(Debug)]
pub struct Look {
    folders: Folders,
    state: State,
    options: Options,
}

/// Whether there is a database, and a server at work on it.
#[derive(Debug)]
pub enum State {
    /// No database yet.
    Absent,
    /// A database that this major version wrote, and no server.
    Stopped {
        /// The major version.
        major: u32,
    },
    /// Somebody is creating the database, or starting or stopping the server.
    Busy,
    /// A server that accepts connections.
    Running(Running),
}

/// A running server, of this process or another.
#[derive(Debug)]
pub struct Running {
    /// The server's process id.
    pub pid: u32,
    /// The process that runs it; `None` where that can't be told, or is gone.
    pub holder: Option<Holder>,
    /// The way to it.
    pub client: Client,
}

/// The process that a server belongs to.
#[derive(Debug, Clone)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// The beginning of its command line: the program's name and up to two arguments.
    pub command: String,
}

impl Look {
    /// Looks at the folder that a server with these options would use.
    ///
    /// # Errors
    ///
    /// When the folder is somebody else's or can't be read, or when the programs that belong to a running server are
    /// nowhere to be found.
    pub fn at(options: Options) -> Result<Self, Error> {
        let account = Account::choose()?;
        let folders = Folders::locate(&options, &account)?;
        let state = if folders.are_there(&account)? { state(&folders, &options, &account)? } else { State::Absent };
        Ok(Self { folders, state, options })
    }

    /// The folder in use: absolute, without links, and another than was asked for where that is closed to the user who
    /// runs the server.
    pub fn root(&self) -> &Path {
        &self.folders.root
    }

    /// What was seen.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The major version that wrote the data; `None` where there is none.
    pub fn major(&self) -> Option<u32> {
        match &self.state {
            State::Absent | State::Busy => None,
            State::Stopped { major } => Some(*major),
            State::Running(running) => Some(running.client.installation().major()),
        }
    }

    /// The installation in use, or the one that a start would use.
    ///
    /// # Errors
    ///
    /// When there is none that fits.
    pub fn installation(&self) -> Result<Installation, Error> {
        if let State::Running(running) = &self.state {
            return Ok(running.client.installation().clone());
        }
        let found = binaries::find(&self.options, &Account::choose()?)?;
        let data = self.folders.data();
        binaries::select(found, self.major().map(|major| (data.as_path(), major)), &self.options)
    }

    /// What the server writes.
    pub fn log_file(&self) -> PathBuf {
        self.folders.log()
    }

    /// The log's last lines, of its last MiB; none where there is no log.
    ///
    /// # Errors
    ///
    /// When the log can't be read.
    pub fn log_lines(&self, count: usize) -> Result<Vec<String>, Error> {
        let path = self.folders.log();
        let tail = || {
            let mut file = OpenOptions::new().read(true).custom_flags(O_NOFOLLOW).open(&path)?;
            let start = file.metadata()?.len().saturating_sub(LOG_TAIL);
            file.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::new();
            File::take(file, LOG_TAIL).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = match tail() {
            Err(error) if io::Error::kind(&error) == io::ErrorKind::NotFound => return Ok(Vec::new()),
            result => result.map_err(Error::file("read", &path))?,
        };
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<_> = text.lines().collect();
        Ok(lines[lines.len().saturating_sub(count)..].iter().map(|line| (*line).to_owned()).collect())
    }

    /// What everything in the folder takes on the disk, in bytes. A running server's files come and go meanwhile.
    ///
    /// # Errors
    ///
    /// When a folder can't be read.
    pub fn size(&self) -> Result<u64, Error> {
        size(&self.folders.root)
    }
}

fn state(folders: &Folders, options: &Options, account: &Account) -> Result<State, Error> {
    let data = folders.data();
    if let Some((pid, ready)) = leftover::server_at_work(&data)? {
        let major = if ready { cluster::existing(folders)? } else { None };
        let Some(major) = major else { return Ok(State::Busy) };
        let installation = installation_of(pid, major, &data, options, account)?;
        let client = Client::new(installation, folders.socket.clone());
        return Ok(State::Running(Running { pid, holder: holder(pid)?, client }));
    }
    if leftover::is_initdb_at_work(&folders.initializing(), &data)? {
        return Ok(State::Busy);
    }
    Ok(cluster::existing(folders)?.map_or(State::Absent, |major| State::Stopped { major }))
}

/// The installation that the server was started from, where it is one that would be found; else one that fits.
///
/// The server's command line is believed only where it is this user's own. As root it would let whoever runs the server
/// choose the programs that root runs next.
fn installation_of(
    server: u32,
    major: u32,
    data: &Path,
    options: &Options,
    account: &Account,
) -> Result<Installation, Error> {
    let folder = leftover::program(server)?.and_then(|program| program.parent().map(Path::to_owned));
    let found = binaries::find(options, account);
    let same = |one: &&Installation| folder.as_deref() == Some(one.folder());
    if let Some(one) = found.as_ref().ok().and_then(|all| all.iter().find(same)) {
        return Ok(one.clone());
    }
    let own = folder.filter(|_| !account.is_stand_in()).and_then(|folder| binaries::inspect(&folder, account).ok());
    match own {
        Some(own) => Ok(own),
        None => binaries::select(found?, Some((data, major)), options),
    }
}

/// The server's parent is the shell that watches over it, and the shell's parent is whoever started it.
fn holder(server: u32) -> Result<Option<Holder>, Error> {
    let Some(shell) = leftover::parent(server)? else { return Ok(None) };
    if !leftover::words(shell)?.first().is_some_and(|program| program.ends_with("sh")) {
        return Ok(None);
    }
    let Some(pid) = leftover::parent(shell)? else { return Ok(None) };
    let words = leftover::words(pid)?;
    let Some((program, arguments)) = words.split_first() else { return Ok(None) };
    let program = program.rsplit('/').next().unwrap_or(program);
    let words: Vec<_> = std::iter::once(program).chain(arguments.iter().take(2).map(String::as_str)).collect();
    // It is shown, and anybody can give a process any name.
    let command = words.join(" ").chars().filter(|c| !c.is_control()).take(80).collect();
    Ok(Some(Holder { pid, command }))
}

/// Whatever vanishes in between counts nothing.
fn size(path: &Path) -> Result<u64, Error> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        result => result.map_err(Error::file("read", path))?,
    };
    let mut sum = metadata.blocks() * 512;
    if metadata.is_dir() {
        let entries = match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(sum),
            result => result.map_err(Error::file("read", path))?,
        };
        for entry in entries.flatten() {
            sum += size(&entry.path())?;
        }
    }
    Ok(sum)
}
