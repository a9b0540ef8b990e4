//! The command line. Results go to standard output, logs and errors to standard error.

mod db;
#[cfg(feature = "embedded")]
mod download;
mod exposure;
mod migrate;
mod output;
mod policies;
mod progress;
mod routes;
#[cfg(feature = "seeds")]
mod seed;
mod serve;
mod signals;
mod tenants;
mod users;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{CommandFactory, Parser, Subcommand};

use self::output::CliError;
use crate::{
    config::{AppConfig, ConfigScope},
    logs,
};

/// A multi-tenant SaaS backend. Configured by the environment, .env and tenantry.toml; .env.example lists all keys.
#[derive(Parser)]
#[command(name = "tenantry", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Configured(ConfiguredCommand),
    /// List all API routes and the access each requires; needs no configuration and no database
    Routes,
}

/// The commands that need a configuration.
#[derive(Subcommand)]
enum ConfiguredCommand {
    /// Serve the API (the default)
    Serve,
    /// Apply, list or revert database migrations
    #[command(subcommand)]
    Migrate(migrate::Command),
    /// Create tenants on behalf of their admins
    #[command(subcommand)]
    Tenants(tenants::Command),
    /// Create user accounts
    #[command(subcommand)]
    Users(users::Command),
    /// Upgrade tenants to the current version of the policy templates, or show their versions
    #[command(subcommand)]
    Policies(policies::Command),
    /// Back up, restore or inspect the database
    #[command(subcommand)]
    Db(db::Command),
    /// Insert the demo data into the configured database; rejected in production
    #[cfg(feature = "seeds")]
    Seed,
}

/// Returns the definition of the command line, for generated documentation.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the program with the process's arguments and environment.
pub fn main() -> ExitCode {
    let outcome = match Cli::try_parse().map(|cli| cli.command) {
        Ok(None) => run(ConfiguredCommand::Serve),
        Ok(Some(Command::Configured(command))) => run(command),
        Ok(Some(Command::Routes)) => {
            routes::show();
            Ok(ExitCode::SUCCESS)
        }
        Err(message) => Ok(show_usage(&message)),
    };
    match outcome.and_then(|code| output::check_output().map(|()| code)) {
        Ok(code) => code,
        Err(error) => {
            // If standard error is closed, there is nowhere left to report to.
            let _ = writeln!(io::stderr(), "tenantry: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the help, the version, or an error in the arguments. An error quotes them, so it is escaped.
fn show_usage(message: &clap::Error) -> ExitCode {
    if message.use_stderr() {
        for line in message.to_string().lines() {
            let _ = writeln!(io::stderr(), "{}", logs::message_text(line));
        }
    } else {
        output::record_error(message.print());
    }
    u8::try_from(message.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn run(command: ConfiguredCommand) -> Result<ExitCode, CliError> {
    let scope = match command {
        ConfiguredCommand::Serve => ConfigScope::Server,
        _ => ConfigScope::DatabaseOnly,
    };
    #[cfg_attr(not(feature = "embedded"), expect(unused_mut, reason = "only the embedded database changes it"))]
    let mut config = AppConfig::load(scope)?;
    logs::init(&config.log)?;
    #[cfg(feature = "embedded")]
    download::report_progress(&mut config.db);
    actix_web::rt::System::new().block_on(async move {
        match command {
            ConfiguredCommand::Serve => serve::run(config).await?,
            ConfiguredCommand::Migrate(command) => migrate::run(command, config).await?,
            ConfiguredCommand::Tenants(command) => tenants::run(command, config).await?,
            ConfiguredCommand::Users(command) => users::run(command, config).await?,
            ConfiguredCommand::Policies(command) => policies::run(command, config).await?,
            ConfiguredCommand::Db(command) => return db::run(command, config).await,
            #[cfg(feature = "seeds")]
            ConfiguredCommand::Seed => seed::run(config).await?,
        }
        Ok(ExitCode::SUCCESS)
    })
}
