//! Replacing the embedded database.

use db::{AdminError, EmbeddedAdmin, OldDatabase};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

use crate::startup_checks::embedded_config;

#[tokio::test]
async fn swap_fails_with_open_connections() {
    let dir = tempfile::tempdir().unwrap();
    let admin = EmbeddedAdmin::start(&embedded_config(dir.path())).await.unwrap();
    let server = admin.connection_info();
    let options = PgConnectOptions::new_without_pgpass()
        .socket(server.socket_dir())
        .port(server.port())
        .username(server.superuser())
        .database(admin.database());
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    sqlx::query("CREATE TABLE existing ()").execute(&mut connection).await.unwrap();

    let error = admin.create_staged().await.unwrap().swap(false).await.unwrap_err();
    assert!(matches!(error, AdminError::ConnectionsOpen), "{error:?}");
    connection.close().await.unwrap();
    assert!(admin.has_data().await.unwrap());
    assert_eq!(admin.create_staged().await.unwrap().swap(false).await.unwrap(), OldDatabase::Dropped);
    assert!(!admin.has_data().await.unwrap());
    admin.close().await;
}
