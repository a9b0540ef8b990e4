//! Replacing the embedded database as a whole.

use kernel::db::{Care, CareError, Replaced};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

use crate::opening::embedded_in;

#[tokio::test]
async fn a_database_that_somebody_is_connected_to_stays_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let care = Care::start(&embedded_in(folder.path())).await.unwrap();
    let server = care.client();
    let options = PgConnectOptions::new_without_pgpass()
        .socket(server.socket_dir())
        .port(server.port())
        .username(server.superuser())
        .database(care.database());
    let mut somebody = PgConnection::connect_with(&options).await.unwrap();
    sqlx::query("CREATE TABLE theirs ()").execute(&mut somebody).await.unwrap();

    let refused = care.replacement().await.unwrap().swap(false).await.unwrap_err();
    assert!(matches!(refused, CareError::Connected), "{refused:?}");
    somebody.close().await.unwrap();
    assert!(care.has_data().await.unwrap());
    assert_eq!(care.replacement().await.unwrap().swap(false).await.unwrap(), Replaced::Dropped);
    assert!(!care.has_data().await.unwrap());
    care.close().await;
}
