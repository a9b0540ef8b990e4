//! Opening a database: what is refused, and in which words.

use std::time::Duration;

use kernel::db::{DatabaseUrl, DbConfig, DbDriver, DbError, DbServer, OpenError, PostgresConfig, Readiness, open_db};
use rstest::rstest;
use test_support::{Logins, OwnedDb, TestDb, db};

fn at(url: &str) -> DbConfig {
    DbConfig {
        driver: DbDriver::Postgres(PostgresConfig { url: DatabaseUrl::parse(url).unwrap(), migration_url: None }),
        pool_size: 1,
        connect_timeout: Duration::from_millis(300),
        production: false,
        migrate_on_start: false,
    }
}

#[tokio::test]
async fn unreachable_server_times_out() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = open_db(at(&format!("postgres://user:hunter2@127.0.0.1:{port}/db"))).await.unwrap_err();
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error:?}");
    let words = error.to_string();
    assert!(
        words.contains(&format!("127.0.0.1:{port}")) && !words.contains("hunter2") && !words.contains('\n'),
        "{words}"
    );
}

#[tokio::test]
async fn silent_server_times_out() {
    // Accepts, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let error = open_db(at(&format!("postgres://user@{}/db", silent.local_addr().unwrap()))).await.unwrap_err();
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn unmigrated_database_error_names_command() {
    let empty = TestDb::empty().await;
    let error = open_db(empty.config()).await.unwrap_err();
    assert!(matches!(error, OpenError::SchemaNotCurrent { .. }), "{error:?}");
    assert!(error.to_string().contains("tenantry migrate run"), "{error}");
}

/// A server of the test's own, in this folder.
#[cfg(feature = "embedded")]
pub(crate) fn embedded_config(folder: &std::path::Path) -> DbConfig {
    let driver = DbDriver::Embedded(Box::new(kernel::db::EmbeddedConfig {
        root: folder.join("data"),
        bin_dir: None,
        search_path: test_support::search_path(),
        download: None,
        durable: false,
    }));
    DbConfig { driver, ..at("postgres://nowhere") }
}

/// Such a server lacks the roles as well.
#[cfg(feature = "embedded")]
#[tokio::test]
async fn missing_roles_error_names_command() {
    let folder = tempfile::tempdir().unwrap();
    let error = open_db(embedded_config(folder.path())).await.unwrap_err();
    assert!(matches!(&error, OpenError::SchemaNotCurrent { detail } if detail.contains("migrated")), "{error:?}");
}

#[rstest]
#[case::the_applications_role("REVOKE tenantry_app FROM tenantry_test_login", "granted")]
#[case::the_system_role("REVOKE tenantry_system FROM tenantry_test_login", "granted")]
#[case::a_run_that_was_killed_before_its_last_step("REVOKE SELECT ON _sqlx_migrations FROM tenantry_app", "migrated")]
#[tokio::test]
async fn missing_privilege_error_names_fix(#[case] revoke: &'static str, #[case] words: &str) {
    let owned = OwnedDb::new(Logins::Separate).await;
    let migrator = DbServer::start(owned.config()).await.unwrap().migrator();
    migrator.run().await.unwrap();
    open_db(owned.config()).await.unwrap().close().await;
    sqlx::raw_sql(revoke).execute(&mut owned.superuser().await).await.unwrap();
    let error = open_db(owned.config()).await.unwrap_err();
    assert!(matches!(&error, OpenError::SchemaNotCurrent { detail } if detail.contains(words)), "{error:?}");
    assert!(error.to_string().contains("tenantry migrate run"), "{error}");
}

#[rstest]
#[tokio::test]
async fn outdated_schema_fails_start_and_readiness(#[future(awt)] db: TestDb) {
    let readiness: std::sync::Arc<dyn Readiness> = db.db.module().resolve();
    readiness.ready().await.unwrap();
    let mut owner = db.superuser().await;
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 5").execute(&mut owner).await.unwrap();
    assert!(matches!(readiness.ready().await, Err(DbError::SchemaNotCurrent)));
    let error = open_db(db.config(1)).await.unwrap_err();
    assert!(error.to_string().contains("1 pending"), "{error}");
}

#[rstest]
#[tokio::test]
async fn production_rejects_superuser(#[future(awt)] db: TestDb) {
    let error = open_db(DbConfig { production: true, ..db.config(1) }).await.unwrap_err();
    assert!(matches!(error, OpenError::Superuser), "{error:?}");
}

#[rstest]
#[tokio::test]
async fn table_owning_app_role_is_rejected(#[future(awt)] db: TestDb) {
    let mut owner = db.superuser().await;
    sqlx::raw_sql("CREATE TABLE theirs (); ALTER TABLE theirs OWNER TO tenantry_app")
        .execute(&mut owner)
        .await
        .unwrap();
    let error = open_db(db.config(1)).await.unwrap_err();
    assert!(matches!(error, OpenError::RlsBypassed), "{error:?}");
}

#[rstest]
#[tokio::test]
async fn missing_database_is_named(#[future(awt)] db: TestDb) {
    let url = db.url();
    let (before, query) = url.split_once('?').unwrap_or((&url, ""));
    let elsewhere = format!("{}/no_such_database?{query}", before.rsplit_once('/').unwrap().0);
    let error = open_db(at(&elsewhere)).await.unwrap_err();
    assert!(matches!(&error, OpenError::LoginRejected { reason, .. } if reason.contains("no_such_database")), "{error:?}");
}
