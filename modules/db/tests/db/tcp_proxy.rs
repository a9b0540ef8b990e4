//! A TCP proxy between program and server.

use std::str::FromStr;

use db::{DatabaseUrl, DbConfig, DbDriver, PostgresConfig};
use sqlx::postgres::PgConnectOptions;
use test_support::{TestDb, role_names};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixStream},
};

/// Starts a proxy that passes each connection to `handler`, for as long as the test's runtime lives. Returns a
/// database configuration that connects through it.
pub(crate) async fn through_proxy<F>(
    db: &TestDb,
    handler: impl Fn(TcpStream, PgConnectOptions) -> F + Send + 'static,
) -> DbConfig
where
    F: Future<Output = ()> + Send + 'static,
{
    through_proxy_at(db, "127.0.0.1", "sslmode=disable", handler).await
}

/// Like [`through_proxy`], with this host and query in the URL.
pub(crate) async fn through_proxy_at<F>(
    db: &TestDb,
    host: &str,
    query: &str,
    handler: impl Fn(TcpStream, PgConnectOptions) -> F + Send + 'static,
) -> DbConfig
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = db.url();
    let server = PgConnectOptions::from_str(&url).unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(handler(client, server.clone()));
        }
    });
    let (before, after) = url.split_once('@').unwrap();
    let path = after.split_once('/').unwrap().1.split('?').next().unwrap();
    let url = DatabaseUrl::parse(&format!("{before}@{host}:{port}/{path}?{query}")).unwrap();
    DbConfig {
        driver: DbDriver::Postgres(PostgresConfig { url, migration_url: None, backup_url: None, roles: role_names() }),
        ..db.config(1)
    }
}

/// Sends `first` to the server, then copies data in both directions.
pub(crate) async fn relay(client: impl AsyncRead + AsyncWrite + Unpin, server: &PgConnectOptions, first: &[u8]) {
    match server.get_socket() {
        Some(socket_dir) => {
            let path = socket_dir.join(format!(".s.PGSQL.{}", server.get_port()));
            copy(client, UnixStream::connect(path).await.unwrap(), first).await;
        }
        None => copy(client, TcpStream::connect((server.get_host(), server.get_port())).await.unwrap(), first).await,
    }
}

async fn copy(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    mut server: impl AsyncRead + AsyncWrite + Unpin,
    first: &[u8],
) {
    server.write_all(first).await.unwrap();
    // Either side may disconnect.
    let _ = copy_bidirectional(&mut client, &mut server).await;
}
