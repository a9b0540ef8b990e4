//! `testcontainers-runner COMMAND…` runs a command with `TEST_DATABASE_URL` set to PostgreSQL in a container. The whole
//! run shares one container, since starting one for each test binary would be slow. Each test creates a separate
//! database.
//!
//! The container is removed when the command ends or fails, and on SIGINT, SIGTERM and SIGHUP. If the runner is killed,
//! the container remains, with the label `org.testcontainers.managed-by=testcontainers`. `DB_IMAGE` and `DB_TAG` set
//! the image (default: postgres:17-alpine), and `DOCKER_HOST` the engine.

use std::{env, error::Error, ffi::OsString, process::ExitCode, time::Duration};

use testcontainers_modules::{
    postgres::Postgres,
    testcontainers::{
        ContainerAsync, ImageExt,
        bollard::models::{HostConfig, PortBinding},
        core::Mount,
        runners::AsyncRunner,
    },
};
use tokio::{
    process::Command,
    signal::unix::{SignalKind, signal},
};

/// The port inside the container.
const PORT: &str = "5432/tcp";

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stderr, reason = "a command-line tool prints to the terminal")]
async fn main() -> ExitCode {
    match run(env::args_os().skip(1).collect()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("testcontainers-runner: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Vec<OsString>) -> Result<ExitCode, Box<dyn Error>> {
    let [program, arguments @ ..] = command.as_slice() else {
        return Err("usage: testcontainers-runner COMMAND…".into());
    };
    // From here on, signals are handled only after the container has started, so that it can be removed.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let container = start().await?;
    let ran = tokio::select! {
        ran = run_command(&container, program, arguments) => ran,
        _ = interrupt.recv() => Ok(130),
        _ = terminate.recv() => Ok(143),
        _ = hangup.recv() => Ok(129),
    };
    container.rm().await?;
    ran.map(ExitCode::from)
}

/// Dropping the future kills the command.
async fn run_command(
    container: &ContainerAsync<Postgres>,
    program: &OsString,
    arguments: &[OsString],
) -> Result<u8, Box<dyn Error>> {
    let port = container.get_host_port_ipv4(5432).await?;
    let url = format!("postgres://postgres:postgres@127.0.0.1:{port}/postgres");
    let mut child = Command::new(program).args(arguments).env("TEST_DATABASE_URL", url).kill_on_drop(true).spawn()?;
    Ok(u8::try_from(child.wait().await?.code().unwrap_or(1)).unwrap_or(1))
}

async fn start() -> Result<ContainerAsync<Postgres>, Box<dyn Error>> {
    #[expect(clippy::disallowed_methods, reason = "a tool has no configuration")]
    let setting = |name: &str, default: &str| env::var(name).ok().filter(|v| !v.is_empty()).unwrap_or(default.into());
    let container = Postgres::default()
        .with_name(setting("DB_IMAGE", "postgres"))
        .with_tag(setting("DB_TAG", "17-alpine"))
        .with_startup_timeout(Duration::from_secs(120))
        // In memory: tests create many databases, which are only needed for this run.
        .with_mount(Mount::tmpfs_mount("/var/lib/postgresql/data"))
        // On loopback only; the default is to listen on all addresses.
        .with_host_config_modifier(on_loopback);
    container.start().await.map_err(|error| {
        format!(
            "cannot start a container ({error}); check that a container engine is running and this user may access it"
        )
        .into()
    })
}

fn on_loopback(config: &mut HostConfig) {
    let binding = PortBinding { host_ip: Some("127.0.0.1".into()), host_port: Some(String::new()) };
    config.publish_all_ports = Some(false);
    config.port_bindings = Some([(PORT.to_owned(), Some(vec![binding]))].into());
}
