//! A running server: start, access and stop.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::client_tools::ConnectionInfo;
#[cfg(feature = "download")]
use crate::download;
use crate::installation::Installation;
use crate::layout::Layout;
use crate::proc_table::is_running_on;
use crate::process::{Process, is_transient};
use crate::server_user::ServerUser;
use crate::system::{Lock, poll, remove_file};
use crate::{Error, Options, data_dir, discovery, orphan};

/// A running PostgreSQL server. It is stopped when this value is dropped and when the process ends for any reason.
#[derive(Debug)]
pub struct Server {
    /// `None` after the server was stopped.
    process: Option<Process>,
    pid: u32,
    layout: Layout,
    connection: ConnectionInfo,
    newer: Option<Installation>,
    options: Options,
    /// Released after the server was stopped.
    _lock: Lock,
}

impl Server {
    /// Starts a server and waits until it accepts connections. Creates the data directory if there is none.
    ///
    /// # Errors
    ///
    /// Returns an [`Error`] if the directory is in use, no suitable PostgreSQL is installed, or the server fails to
    /// start. The messages are meant to be shown to users. No process is left running.
    pub fn start(options: Options) -> Result<Self, Error> {
        let user = ServerUser::choose()?;
        let installations = discovery::discover(&options, &user)?;
        #[cfg(feature = "download")]
        let may_download = options.download.as_ref().is_some_and(|download| download.enabled);
        #[cfg(not(feature = "download"))]
        let may_download = false;
        if installations.is_empty() && !may_download {
            return Err(Error::NotInstalled);
        }
        let newest = installations.first().cloned();
        let layout = Layout::prepare(&options, &user)?;
        let lock = layout.lock()?;
        let (process, installation) = start_locked(&options, &user, installations, &layout)?;
        let pid = process.pid();
        tracing::info!(pid, major = installation.major, root = %layout.root.display(), "database server is ready");
        let newer = newest.filter(|newest| newest.major > installation.major);
        let connection = ConnectionInfo { installation, socket_dir: layout.socket_dir.clone() };
        Ok(Self { process: Some(process), pid, layout, connection, newer, options, _lock: lock })
    }

    /// Returns the installation that a start with new data would use. Downloads one as that start would.
    ///
    /// # Errors
    ///
    /// Returns an [`Error`] if no suitable PostgreSQL is installed, and the download is disabled or fails.
    pub fn find_installation(options: &Options) -> Result<Installation, Error> {
        let user = ServerUser::choose()?;
        let installations = discovery::discover(options, &user)?;
        select_installation(options, &user, installations, None)
    }

    /// Returns the directory in use, absolute and without symbolic links. It differs from [`Options::root`] if the
    /// server's user can't access the parent of that one.
    pub fn root(&self) -> &Path {
        &self.layout.root
    }

    /// Returns the path of the server's log. A log of more than 10 MiB is renamed to `postgres.log.1` at the next
    /// start.
    pub fn log_file(&self) -> PathBuf {
        self.layout.log_file()
    }

    /// Returns the directory of the PostgreSQL programs in use.
    pub fn bin_dir(&self) -> &Path {
        &self.connection.installation.bin_dir
    }

    /// Returns the major version of PostgreSQL in use.
    pub fn major(&self) -> u32 {
        self.connection.installation.major
    }

    /// Returns an installation that is newer than the one in use, if there is one. It isn't used because another
    /// major version wrote the data.
    pub fn newer_installation(&self) -> Option<&Installation> {
        self.newer.as_ref()
    }

    /// Returns what clients need to connect to this server. A clone doesn't keep the server running.
    pub fn connection_info(&self) -> &ConnectionInfo {
        &self.connection
    }

    /// Returns the server's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns whether the server's process exists. It doesn't after a crash, or if it was killed.
    pub fn is_running(&self) -> bool {
        // If the process table can't be read, the next statement shows it.
        is_running_on("postgres", self.pid, &self.layout.data_dir()).unwrap_or(true)
    }

    /// Returns `true` until [`mark_initialized`](Self::mark_initialized) has been called once for this data directory,
    /// by this process or an earlier one.
    pub fn needs_setup(&self) -> bool {
        self.layout.setup_marker().exists()
    }

    /// Records that the first-time setup of the data directory is complete.
    ///
    /// # Errors
    ///
    /// Returns an error if the marker file can't be removed.
    pub fn mark_initialized(&self) -> Result<(), Error> {
        remove_file(&self.layout.setup_marker())?;
        self.layout.sync(&self.options)
    }

    /// Stops the server and waits until its processes have exited. Open transactions are rolled back and connections
    /// closed. Dropping the server does the same but can't report an error.
    ///
    /// # Errors
    ///
    /// Returns an error if the server is still running after twice [`Options::stop_timeout`].
    pub fn stop(mut self) -> Result<(), Error> {
        self.shut_down()
    }

    fn shut_down(&mut self) -> Result<(), Error> {
        let Some(process) = self.process.take() else { return Ok(()) };
        let result = process.stop(&self.layout.data_dir(), self.options.stop_timeout);
        self.layout.remove_fallback_socket_dir();
        result
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down() {
            tracing::error!(error = &error as &dyn std::error::Error, "failed to stop the database server");
        }
    }
}

/// Starts the server. The caller holds the lock of the directory.
fn start_locked(
    options: &Options,
    user: &ServerUser,
    installations: Vec<Installation>,
    layout: &Layout,
) -> Result<(Process, Installation), Error> {
    let data_dir = layout.data_dir();
    orphan::stop_orphaned_server(&data_dir, options.stop_timeout)?;
    let existing_data = data_dir::existing_major(layout)?;
    let existing_data = existing_data.map(|major| (data_dir.as_path(), major));
    let installation = select_installation(options, user, installations, existing_data)?;
    let deadline = Instant::now() + options.start_timeout;
    if existing_data.is_none() {
        data_dir::create(layout, &installation, user, options)?;
    }
    data_dir::write_hba_files(layout, user, options)?;
    layout.rotate_log()?;

    Ok((start_process(options, user, &installation, layout, deadline)?, installation))
}

/// Starts the server process. Tries again while processes of a previous server are still exiting.
fn start_process(
    options: &Options,
    user: &ServerUser,
    installation: &Installation,
    layout: &Layout,
    deadline: Instant,
) -> Result<Process, Error> {
    let (data_dir, log) = (layout.data_dir(), layout.log_file());
    let program = installation.bin_dir.join("postgres");
    let timeout_error = |last_lines| Error::StartTimeout { after: options.start_timeout, log: log.clone(), last_lines };
    let process = poll(deadline, || {
        orphan::stop_orphaned_server(&data_dir, options.stop_timeout)?;
        layout.remove_stale_socket()?;
        let arguments = data_dir::server_arguments(layout, options);
        let mut process = Process::start(user, log.clone(), &program, arguments)?;
        let error = match process.wait_until_ready(&data_dir, deadline) {
            Ok(true) => return Ok(Some(process)),
            Ok(false) => timeout_error(process.last_lines()),
            Err(error) => error,
        };
        process.stop(&data_dir, options.stop_timeout)?;
        if is_transient(&error) && Instant::now() < deadline { Ok(None) } else { Err(error) }
    })?;
    process.ok_or_else(|| timeout_error(String::new()))
}

/// Selects one of the installations, or downloads one if there are none.
fn select_installation(
    options: &Options,
    user: &ServerUser,
    installations: Vec<Installation>,
    existing_data: Option<(&Path, u32)>,
) -> Result<Installation, Error> {
    let installations =
        if installations.is_empty() { vec![ensure_downloaded(options, user, existing_data)?] } else { installations };
    discovery::select(installations, existing_data, options)
}

/// Downloads PostgreSQL. Fails without a download if the version on offer can't read the existing data, which only the
/// major version that wrote it can.
#[cfg(feature = "download")]
fn ensure_downloaded(
    options: &Options,
    user: &ServerUser,
    existing_data: Option<(&Path, u32)>,
) -> Result<Installation, Error> {
    let download = options.download.as_ref().filter(|download| download.enabled).ok_or(Error::NotInstalled)?;
    match existing_data {
        Some((data_dir, data_major)) if download.major() != Some(data_major) => Err(Error::DownloadVersionMismatch {
            dir: data_dir.to_owned(),
            data_major,
            offered: download.version.clone(),
        }),
        _ => download::ensure_downloaded(download, user),
    }
}

#[cfg(not(feature = "download"))]
fn ensure_downloaded(_: &Options, _: &ServerUser, _: Option<(&Path, u32)>) -> Result<Installation, Error> {
    Err(Error::NotInstalled)
}
