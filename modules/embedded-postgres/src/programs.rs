//! The other programs of an installation (`pg_dump`, `pg_restore`, `psql`, …), told how to reach the server.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::binaries::Installation;
use crate::{Error, PORT, SUPERUSER};

impl Installation {
    /// The folder of its programs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its major version.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// One of its programs, run as the user of this process, in the current directory, with nothing of our environment:
    /// `PGHOST`, `PGOPTIONS` and the like would lead it elsewhere.
    ///
    /// # Errors
    ///
    /// When the installation doesn't have it: Debian and others pack the clients apart from the server.
    pub fn command(&self, program: &'static str) -> Result<Command, Error> {
        let path = self.folder.join(program);
        if !path.is_file() {
            return Err(Error::NoProgram { program, folder: self.folder.clone(), major: self.major });
        }
        let mut command = Command::new(path);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").stdin(Stdio::null());
        Ok(command)
    }
}

/// The way to a running server, for the programs of its installation and for connections of one's own.
#[derive(Debug, Clone)]
pub struct Client {
    installation: Installation,
    socket: PathBuf,
}

impl Client {
    pub(crate) fn new(installation: Installation, socket: PathBuf) -> Self {
        Self { installation, socket }
    }

    /// The installation that the server is of, or another of its major version.
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// See [`Server::socket_dir`](crate::Server::socket_dir).
    pub fn socket_dir(&self) -> &Path {
        &self.socket
    }

    /// See [`Server::port`](crate::Server::port).
    pub fn port(&self) -> u16 {
        PORT
    }

    /// See [`Server::superuser`](crate::Server::superuser).
    pub fn superuser(&self) -> &str {
        SUPERUSER
    }

    /// A program that connects to this database as the superuser. It never asks for a password.
    ///
    /// # Errors
    ///
    /// As [`Installation::command`].
    pub fn command(&self, program: &'static str, database: &str) -> Result<Command, Error> {
        let mut command = self.installation.command(program)?;
        command.arg("--host").arg(&self.socket).args(["--port", &PORT.to_string()]);
        command.args(["--username", SUPERUSER, "--no-password", "--dbname", database]);
        Ok(command)
    }
}
