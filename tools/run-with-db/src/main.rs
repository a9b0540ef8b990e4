//! `run-with-db COMMAND…` runs a command with `DATABASE_URL` set to a temporary, migrated database. `just prepare` and
//! `just new-module` compile with it, to check all statements and regenerate `.sqlx`.

use std::{
    error::Error,
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, ExitCode},
    time::Duration,
};

use db::{DatabaseUrl, DbConfig, DbDriver, PostgresConfig, RoleNames, open_db};
use embedded_postgres::{DownloadOptions, Options, Progress, Server};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stderr, reason = "a command-line tool prints to the terminal")]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("run-with-db: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().ok_or("usage: run-with-db COMMAND…")?;
    let dir = tempfile::Builder::new().prefix("tenantry-").tempdir()?;
    // When started as root, the server runs as another user, who needs search permission on this directory.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711))?;
    let options = Options { durable: false, ..server_options(dir.path().join("postgres")) };
    let server = Server::start(options)?;
    let connection = server.connection_info();
    let (socket, user, port) = (connection.socket_dir().display(), connection.superuser(), connection.port());
    let url = format!("postgres://{user}@localhost:{port}/postgres?host={socket}&sslmode=disable");
    migrate(&url).await?;
    let status = Command::new(program).args(arguments).env("DATABASE_URL", &url).status()?;
    server.stop()?;
    // A command that a signal killed has no exit code.
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

/// Returns the options that find PostgreSQL as the program does with its defaults.
fn server_options(root: PathBuf) -> Options {
    #[expect(clippy::disallowed_methods, reason = "to find PostgreSQL; a tool has no configuration")]
    let variable = |name: &str| std::env::var_os(name);
    let mut download = DownloadOptions::for_program("tenantry", std::env::temp_dir().join("tenantry-cache"), variable);
    download.progress = Progress::lines(|line| drop(writeln!(io::stderr(), "{line}")));
    Options { search_path: variable("PATH"), download: Some(download), ..Options::new(root) }
}

async fn migrate(url: &str) -> Result<(), Box<dyn Error>> {
    let roles = RoleNames::new("tenantry")?;
    let postgres = PostgresConfig { url: DatabaseUrl::parse(url)?, migration_url: None, backup_url: None, roles };
    let config = DbConfig {
        driver: DbDriver::Postgres(postgres),
        pool_size: 1,
        connect_timeout: Duration::from_secs(10),
        production: false,
        migrate_on_start: true,
    };
    open_db(config).await?.close().await;
    Ok(())
}
