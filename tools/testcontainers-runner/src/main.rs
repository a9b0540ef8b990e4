//! `testcontainers-runner COMMAND…` runs the command with `TEST_DATABASE_URL` set to a PostgreSQL in a container: one for the whole
//! run, since a container for each test binary would start over and over. Each test has a database of its own on it.
//!
//! The container is removed at the end, also where the command fails, and on SIGINT, SIGTERM and SIGHUP. Of a run that
//! was killed it stays; it bears the label `org.testcontainers.managed-by=testcontainers`.
//! `DB_IMAGE` and `DB_TAG` name its image: postgres:17-alpine unless set. The engine is the one of `DOCKER_HOST`.

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

/// The container's own port.
const PORT: &str = "5432/tcp";

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stderr, reason = "talks to a developer in a terminal")]
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
    // From here on a signal waits for the container to be there, for only then can it be removed.
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

/// The command ends with this future.
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
        // In memory: the databases of tests are many, and gone with it.
        .with_mount(Mount::tmpfs_mount("/var/lib/postgresql/data"))
        // On loopback alone; without this it would listen on every address of the machine.
        .with_host_config_modifier(on_loopback);
    container.start().await.map_err(|error| {
        format!("no container could be started ({error}): is an engine running, and may this user reach it?").into()
    })
}

fn on_loopback(config: &mut HostConfig) {
    let binding = PortBinding { host_ip: Some("127.0.0.1".into()), host_port: Some(String::new()) };
    config.publish_all_ports = Some(false);
    config.port_bindings = Some([(PORT.to_owned(), Some(vec![binding]))].into());
}
