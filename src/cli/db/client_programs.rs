//! PostgreSQL's client programs in `PATH`, for an external server.

use std::{
    env::split_paths,
    path::PathBuf,
    process::{Command, Stdio},
};

use db::ExternalAdmin;

use super::{super::output::CliError, subprocess::run_to_completion};
use crate::config;

/// Client programs of one version, and how they connect.
pub(super) struct ClientPrograms {
    dir: PathBuf,
    major: u32,
    connection: Vec<(&'static str, String)>,
}

impl ClientPrograms {
    /// Searches for a program that connects to the server.
    ///
    /// # Errors
    /// It is missing, or can't verify the server's certificate as the configuration requires.
    pub(super) async fn find(program: &'static str, admin: &ExternalAdmin) -> Result<Self, CliError> {
        let path = config::client_env().into_iter().find(|(name, _)| name == "PATH").map(|(_, path)| path);
        let mut dirs = path.iter().flat_map(split_paths);
        let dir = dirs.find(|dir| dir.join(program).is_file()).ok_or_else(|| missing(program, admin))?;
        let mut programs = Self { dir, major: 0, connection: admin.client_env() };
        // Debian's programs choose their version by the server, so they need the variables for this, too.
        let mut version = programs.command(program)?;
        version.arg("--version").envs(programs.connection.iter().cloned()).stdout(Stdio::piped());
        let version =
            run_to_completion(version).await?.map_err(|error| format!("`{program}` can't be run: {error}"))?;
        programs.major = parse_major(&version).ok_or_else(|| format!("`{program}` prints no version: {version}"))?;
        programs.trust_system_certificates()?;
        Ok(programs)
    }

    pub(super) fn major(&self) -> u32 {
        self.major
    }

    /// Creates a command for a program, which doesn't connect.
    pub(super) fn command(&self, program: &'static str) -> Result<Command, CliError> {
        let path = self.dir.join(program);
        if !path.is_file() {
            return Err(
                format!("{} has no `{program}`; install the client programs completely", self.dir.display()).into()
            );
        }
        let mut command = Command::new(path);
        command.env_clear().envs(config::client_env()).env("LC_ALL", "C").stdin(Stdio::null());
        Ok(command)
    }

    /// Creates a command for a program that connects to the database. It never prompts for a password.
    pub(super) fn connecting_command(&self, program: &'static str) -> Result<Command, CliError> {
        let mut command = self.command(program)?;
        command.arg("--no-password").envs(self.connection.iter().cloned());
        Ok(command)
    }

    /// Makes the programs trust the same certificates as this program. By default, they use a file in the home directory.
    fn trust_system_certificates(&mut self) -> Result<(), CliError> {
        let get =
            |name| self.connection.iter().find(|(variable, _)| *variable == name).map(|(_, value)| value.as_str());
        let socket = get("PGHOST").is_some_and(|host| host.starts_with('/'));
        match get("PGSSLMODE") {
            Some("verify-full" | "verify-ca") if socket || get("PGSSLROOTCERT").is_some() => {}
            Some("verify-full") if self.major >= 16 => self.connection.push(("PGSSLROOTCERT", "system".into())),
            Some("verify-full" | "verify-ca") => {
                return Err(format!(
                    "the client programs of PostgreSQL {} need the file with the CA of the server's certificate; add \
                     sslrootcert=FILE to the URL",
                    self.major
                )
                .into());
            }
            _ => {}
        }
        Ok(())
    }
}

fn missing(program: &str, admin: &ExternalAdmin) -> CliError {
    let major = admin.server_major();
    format!(
        "there is no `{program}` in PATH; install the client programs of PostgreSQL {major} \
         (`apt install postgresql-client-{major}`)"
    )
    .into()
}

/// Parses the major version in `pg_dump (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`, `… 18beta1` or `… 19devel`. The
/// crate `embedded-postgres` has a similar function, but isn't part of a production build.
fn parse_major(version: &str) -> Option<u32> {
    let (_, number) = version.split_once("(PostgreSQL) ")?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn major_version_parses_release_and_beta() {
        assert_eq!(parse_major("pg_dump (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"), Some(15));
        assert_eq!(parse_major("psql (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(parse_major("something else 17\n"), None);
    }
}
