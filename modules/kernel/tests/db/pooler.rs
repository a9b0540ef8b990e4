//! A connection pooler between the program and the server: it passes statements on, and a connection's settings not.

use std::time::Duration;

use kernel::db::{DbConfig, DbServer, MigrateError, OpenError, PoolerDetected, open_db};
use rstest::rstest;
use sqlx::postgres::PgConnectOptions;
use test_support::{TestDb, db};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::tcp_proxy::{through_proxy, relay};

/// What it does with the settings that a connection begins with.
#[derive(Debug, Clone, Copy)]
enum Settings {
    /// As PgBouncer does when told to with `ignore_startup_parameters`.
    Dropped,
    /// As PgBouncer does unless told.
    Refused,
}

/// Begins one for as long as the test's runtime lives. The database's configuration, by way of it.
async fn pooled(db: &TestDb, settings: Settings) -> DbConfig {
    let config = through_proxy(db, move |client, server| pass_on(client, server, settings)).await;
    DbConfig { connect_timeout: Duration::from_secs(10), ..config }
}

async fn pass_on(mut client: TcpStream, server: PgConnectOptions, settings: Settings) {
    let Some((version, parameters)) = startup(&mut client).await else { return };
    if matches!(settings, Settings::Refused) && parameters.iter().any(|(name, _)| name == "options") {
        return refuse(&mut client).await;
    }
    let mut kept = version.to_be_bytes().to_vec();
    for (name, value) in parameters.iter().filter(|(name, _)| name != "options") {
        kept.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    kept.push(0);
    let length = u32::try_from(kept.len()).unwrap() + 4;
    relay(client, &server, &[&length.to_be_bytes()[..], &kept].concat()).await;
}

/// The first message: <https://www.postgresql.org/docs/current/protocol-message-formats.html>, StartupMessage.
async fn startup(client: &mut TcpStream) -> Option<(u32, Vec<(String, String)>)> {
    let length = client.read_u32().await.ok()?;
    let mut message = vec![0; length as usize - 4];
    client.read_exact(&mut message).await.ok()?;
    let (version, rest) = message.split_first_chunk()?;
    let words: Vec<_> = rest.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let pairs = words.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
    Some((u32::from_be_bytes(*version), pairs.filter(|(name, _)| !name.is_empty()).collect()))
}

async fn refuse(client: &mut TcpStream) {
    let words = b"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: options\0\0";
    client.write_u8(b'E').await.unwrap();
    client.write_u32(u32::try_from(words.len()).unwrap() + 4).await.unwrap();
    client.write_all(words).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn transaction_pooler_is_rejected(
    #[future(awt)] db: TestDb,
    #[values(Settings::Dropped, Settings::Refused)] settings: Settings,
) {
    let config = pooled(&db, settings).await;
    let address = |refused: OpenError| match refused {
        OpenError::PoolerDetected(PoolerDetected { address }) | OpenError::Migrate(MigrateError::PoolerDetected(PoolerDetected { address })) => address,
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
