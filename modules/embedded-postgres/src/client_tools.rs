//! Client programs of an installation (`psql`, `pg_dump`, `pg_restore`, …) with the arguments to reach a server.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;
use crate::data_dir::SUPERUSER;
use crate::installation::Installation;
use crate::layout::PORT;

/// What a client needs to connect to a running server.
#[derive(Debug, Clone)]
pub struct ConnectionInfo {
    installation: Installation,
    socket_dir: PathBuf,
}

impl ConnectionInfo {
    pub(crate) fn new(installation: Installation, socket_dir: PathBuf) -> Self {
        Self { installation, socket_dir }
    }

    /// Returns the installation that the server runs from, or another one of the same major version.
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// See [`Server::socket_dir`](crate::Server::socket_dir).
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// See [`Server::port`](crate::Server::port).
    pub fn port(&self) -> u16 {
        PORT
    }

    /// See [`Server::superuser`](crate::Server::superuser).
    pub fn superuser(&self) -> &str {
        SUPERUSER
    }

    /// Creates a command for a client program that connects to the database as the superuser. It never prompts for a
    /// password.
    ///
    /// # Errors
    ///
    /// See [`Installation::command`].
    pub fn command(&self, program: &'static str, database: &str) -> Result<Command, Error> {
        let mut command = self.installation.command(program)?;
        command.arg("--host").arg(&self.socket_dir).args(["--port", &PORT.to_string()]);
        command.args(["--username", SUPERUSER, "--no-password", "--dbname", database]);
        Ok(command)
    }
}
