//! The commands for a database on an external server. They use the client programs in `PATH`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use db::{DbConfig, ExternalAdmin, PostgresConfig};

use super::{
    super::{
        output::{CliError, print},
        signals::Signals,
    },
    backup,
    client_programs::ClientPrograms,
    command::Command,
    dump_file, psql, restore_script,
    status_rows::{migration_counts, print_row},
    subprocess::cancellable,
};

pub(super) async fn run(command: Command, config: &DbConfig, postgres: &PostgresConfig) -> Result<ExitCode, CliError> {
    let mut signals = Signals::listen()?;
    match command {
        Command::Status { log: Some(_) } => return Err(embedded_only("--log")),
        Command::Status { log: None } => cancellable(&mut signals, show_status(config, postgres)).await?,
        Command::Backup { file } => cancellable(&mut signals, back_up(file, config, postgres)).await?,
        Command::Restore { keep_old: true, .. } => return Err(embedded_only("--keep-old")),
        Command::Restore { file, .. } => {
            cancellable(&mut signals, restore(&file, config, postgres)).await?;
        }
        Command::Psql { args } => {
            drop(signals);
            let admin = ExternalAdmin::as_owner(config, postgres).await?;
            let programs = ClientPrograms::find("psql", &admin).await?;
            return psql::run(programs.connecting_command("psql")?, args).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn embedded_only(option: &str) -> CliError {
    format!("{option} is only for the embedded database; omit it").into()
}

async fn show_status(config: &DbConfig, postgres: &PostgresConfig) -> Result<(), CliError> {
    let admin = ExternalAdmin::as_owner(config, postgres).await?;
    let migrations = admin.migrator().status().await?;
    print_row("state", "running on an external server".to_owned());
    print_row("address", admin.address());
    print_row("database", admin.database());
    print_row("PostgreSQL", admin.server_major().to_string());
    print_row("migrations", migration_counts(&migrations));
    Ok(())
}

async fn back_up(file: Option<PathBuf>, config: &DbConfig, postgres: &PostgresConfig) -> Result<(), CliError> {
    let admin = ExternalAdmin::for_backup(config, postgres).await?;
    let programs = ClientPrograms::find("pg_dump", &admin).await?;
    let (client, server) = (programs.major(), admin.server_major());
    if client < server {
        return Err(wrong_version("pg_dump", client, server));
    }
    let (pg_dump, pg_restore) = (programs.connecting_command("pg_dump")?, programs.command("pg_restore")?);
    backup::write(file, admin.migrator(), pg_dump, pg_restore, client).await
}

async fn restore(file: &Path, config: &DbConfig, postgres: &PostgresConfig) -> Result<(), CliError> {
    dump_file::check_magic(file)?;
    let admin = ExternalAdmin::for_restore(config, postgres).await?;
    let programs = ClientPrograms::find("pg_restore", &admin).await?;
    let (client, server) = (programs.major(), admin.server_major());
    // Newer client programs set parameters that an older server doesn't know.
    if client != server {
        return Err(wrong_version("pg_restore", client, server));
    }
    let dump_info = dump_file::read(programs.command("pg_restore")?, client, file).await?;
    let (pg_restore, psql) = (programs.command("pg_restore")?, programs.connecting_command("psql")?);
    let migrator = admin.migrator();
    migrator.ensure_roles().await?;
    let restored = restore_script::run(pg_restore, psql, file, &dump_info, migrator).await;
    restored.map_err(|error| format!("{error}; nothing was changed"))?;
    print(format_args!("restored {} tables as of {}", dump_info.tables, dump_info.created));
    let pending = restore_script::complete(migrator).await?;
    if pending > 0 {
        print(format_args!("pending migrations: {pending}; run `tenantry migrate run`"));
    }
    Ok(())
}

fn wrong_version(program: &str, client: u32, server: u32) -> CliError {
    format!(
        "the `{program}` in PATH is from PostgreSQL {client}, but the server is PostgreSQL {server}; install the client \
         programs of version {server} (`apt install postgresql-client-{server}`) and put their directory first in PATH"
    )
    .into()
}
