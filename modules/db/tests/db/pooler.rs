//! A connection pooler between program and server, which forwards statements but not connection startup_settings.

use std::time::Duration;

use db::{DbConfig, DbServer, MigrateError, OpenError, PoolerDetected, open_db};
use rstest::rstest;
use sqlx::postgres::PgConnectOptions;
use test_support::{TestDb, test_db};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::tcp_proxy::{relay, through_proxy};

/// How the pooler handles settings in the startup message.
#[derive(Debug, Clone, Copy)]
enum StartupSettings {
    /// PgBouncer with `ignore_startup_parameters`.
    Dropped,
    /// PgBouncer by default.
    Rejected,
}

/// Starts a pooler, which lives as long as the test's runtime. Returns a database configuration that connects through
/// it.
async fn with_pooler(db: &TestDb, startup_settings: StartupSettings) -> DbConfig {
    let config = through_proxy(db, move |client, server| forward(client, server, startup_settings)).await;
    DbConfig { connect_timeout: Duration::from_secs(10), ..config }
}

async fn forward(mut client: TcpStream, server: PgConnectOptions, startup_settings: StartupSettings) {
    let Some((version, parameters)) = read_startup_message(&mut client).await else { return };
    if matches!(startup_settings, StartupSettings::Rejected) && parameters.iter().any(|(name, _)| name == "options") {
        return send_rejection(&mut client).await;
    }
    let mut forwarded = version.to_be_bytes().to_vec();
    for (name, value) in parameters.iter().filter(|(name, _)| name != "options") {
        forwarded.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    forwarded.push(0);
    let length = u32::try_from(forwarded.len()).unwrap() + 4;
    relay(client, &server, &[&length.to_be_bytes()[..], &forwarded].concat()).await;
}

/// Reads the StartupMessage: <https://www.postgresql.org/docs/current/protocol-message-formats.html>
async fn read_startup_message(client: &mut TcpStream) -> Option<(u32, Vec<(String, String)>)> {
    let length = client.read_u32().await.ok()?;
    let mut message = vec![0; length as usize - 4];
    client.read_exact(&mut message).await.ok()?;
    let (version, rest) = message.split_first_chunk()?;
    let strings: Vec<_> =
        rest.split(|byte| *byte == 0).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
    let pairs = strings.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
    Some((u32::from_be_bytes(*version), pairs.filter(|(name, _)| !name.is_empty()).collect()))
}

async fn send_rejection(client: &mut TcpStream) {
    let fields = b"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: options\0\0";
    client.write_u8(b'E').await.unwrap();
    client.write_u32(u32::try_from(fields.len()).unwrap() + 4).await.unwrap();
    client.write_all(fields).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn transaction_pooler_is_rejected(
    #[future(awt)] test_db: TestDb,
    #[values(StartupSettings::Dropped, StartupSettings::Rejected)] startup_settings: StartupSettings,
) {
    let config = with_pooler(&test_db, startup_settings).await;
    let address = |error: OpenError| match error {
        OpenError::PoolerDetected(PoolerDetected { address })
        | OpenError::Migrate(MigrateError::PoolerDetected(PoolerDetected { address })) => address,
        other => panic!("{other}"),
    };
    let migrate = async |config| {
        let migrator = DbServer::start(config).await?.migrator();
        migrator.plan().await.map(drop)?;
        migrator.run().await.map(drop).map_err(OpenError::from)
    };
    assert!(address(migrate(config.clone()).await.unwrap_err()).starts_with("127.0.0.1:"));
    assert!(address(open_db(config).await.unwrap_err()).starts_with("127.0.0.1:"));
}
