//! Client programs of an installation (`psql`, `pg_dump`, `pg_restore`, …) with the arguments to reach a server.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Error;
use crate::data_dir::SUPERUSER;
use crate::installation::Installation;
use crate::layout::PORT;

impl Installation {
    /// Creates a command for one of the programs. It runs as the user of this process in the current directory, with
    /// an empty environment: variables such as `PGHOST` and `PGOPTIONS` would direct it elsewhere.
    ///
    /// # Errors
    ///
    /// Returns [`Error::MissingProgram`] if the program isn't installed. Debian and others package the client programs
    /// separately from the server.
    pub fn command(&self, program: &'static str) -> Result<Command, Error> {
        let path = self.bin_dir.join(program);
        if !path.is_file() {
            return Err(Error::MissingProgram { program, dir: self.bin_dir.clone(), major: self.major });
        }
        let mut command = Command::new(path);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").stdin(Stdio::null());
        Ok(command)
    }
}

/// What a client needs to connect to a running server.
#[derive(Debug, Clone)]
pub struct ConnectionInfo {
    pub(crate) installation: Installation,
    pub(crate) socket_dir: PathBuf,
}

impl ConnectionInfo {
    /// Returns the installation that the server runs from, or another one of the same major version.
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// Returns the directory of the socket: the `host` of a connection string.
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// Returns the number in the socket's file name: the `port` of a connection string.
    pub fn port(&self) -> u16 {
        PORT
    }

    /// Returns the database role to connect as. Only the operating system users that run the server and the process
    /// that started it may connect, both as this role and as [`Options::extra_roles`](crate::Options::extra_roles).
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
