//! The commands. What people read goes to standard output, logs and errors to standard error.

#[cfg(feature = "embedded")]
mod db;
#[cfg(feature = "embedded")]
mod download;
mod migrate;
mod policies;
mod progress;
mod routes;
#[cfg(feature = "seeds")]
mod seed;
mod serve;
mod tenants;
mod users;

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{
    config::{AppConfig, Purpose},
    logs,
};

/// What went wrong, for people: said once, on standard error.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A modular monolith for multi-tenant SaaS. Settings come from the environment, .env and tenantry.toml; .env.example
/// lists them.
#[derive(Parser)]
#[command(name = "tenantry", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Configured(Configured),
    /// Show every route of the API and who may call it; needs no settings and no database
    Routes,
}

/// What takes a configuration.
#[derive(Subcommand)]
enum Configured {
    /// Serve the API (the default)
    Serve,
    /// Bring the database's schema up to date, show where it stands, or take steps back
    #[command(subcommand)]
    Migrate(migrate::Command),
    /// Found a tenant on behalf of somebody else
    #[command(subcommand)]
    Tenants(tenants::Command),
    /// Make an account on behalf of somebody else
    #[command(subcommand)]
    Users(users::Command),
    /// Bring the tenants to the current version of the policy templates, or show which they have
    #[command(subcommand)]
    Policies(policies::Command),
    /// Look after the embedded database
    #[cfg(feature = "embedded")]
    #[command(subcommand)]
    Db(db::Command),
    /// Put the demo data into the configured database; never in production
    #[cfg(feature = "seeds")]
    Seed,
}

/// Runs the program with the process's arguments and environment.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command.unwrap_or(Command::Configured(Configured::Serve)) {
        Command::Configured(command) => run(command),
        Command::Routes => {
            routes::show();
            Ok(ExitCode::SUCCESS)
        }
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            // With nobody to read it, it can't be helped.
            let _ = writeln!(io::stderr(), "tenantry: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Configured) -> Result<ExitCode, Failure> {
    let purpose = match command {
        Configured::Serve => Purpose::Serve,
        _ => Purpose::Administer,
    };
    #[cfg_attr(not(feature = "embedded"), expect(unused_mut, reason = "the embedded database alone is told to"))]
    let mut config = AppConfig::load(purpose)?;
    logs::init(&config.log)?;
    #[cfg(feature = "embedded")]
    download::show(&mut config.db);
    actix_web::rt::System::new().block_on(async move {
        match command {
            Configured::Serve => serve::run(config).await?,
            Configured::Migrate(command) => migrate::run(command, config).await?,
            Configured::Tenants(command) => tenants::run(command, config).await?,
            Configured::Users(command) => users::run(command, config).await?,
            Configured::Policies(command) => policies::run(command, config).await?,
            #[cfg(feature = "embedded")]
            Configured::Db(command) => return db::run(command, config).await,
            #[cfg(feature = "seeds")]
            Configured::Seed => seed::run(config).await?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Says something to people, where anybody reads it: `println!` would end the program with a panic where nobody does.
fn say(words: impl Display) {
    let _ = writeln!(io::stdout(), "{words}");
}

/// A table for people.
fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED).set_header(header.to_vec());
    table.add_rows(rows);
    table
}
