//! Opening a database: what is refused, and in which words.

use std::time::Duration;

use kernel::db::{DatabaseUrl, DbConfig, DbDriver, DbError, Driver, OpenError, PostgresConfig, Readiness, create_db};
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
async fn an_unreachable_server_is_one_line_after_a_bounded_wait() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = create_db(at(&format!("postgres://user:hunter2@127.0.0.1:{port}/db"))).await.unwrap_err();
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error:?}");
    let words = error.to_string();
    assert!(
        words.contains(&format!("127.0.0.1:{port}")) && !words.contains("hunter2") && !words.contains('\n'),
        "{words}"
    );
}

#[tokio::test]
async fn a_server_that_never_answers_is_one_line_after_a_bounded_wait() {
    // Accepts, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let error = create_db(at(&format!("postgres://user@{}/db", silent.local_addr().unwrap()))).await.unwrap_err();
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_database_that_was_never_migrated_says_what_to_run() {
    let empty = TestDb::empty().await;
    let error = create_db(empty.config()).await.unwrap_err();
    assert!(matches!(error, OpenError::SchemaNotCurrent { .. }), "{error:?}");
    assert!(error.to_string().contains("tenantry migrate run"), "{error}");
}

/// A server of the test's own, in this folder.
#[cfg(feature = "embedded")]
pub(crate) fn embedded_in(folder: &std::path::Path) -> DbConfig {
    let driver = DbDriver::Embedded(Box::new(kernel::db::EmbeddedConfig {
        root: folder.join("data"),
        binaries: None,
        search_path: test_support::search_path(),
        download: None,
        durable: false,
    }));
    DbConfig { driver, ..at("postgres://nowhere") }
}

/// Such a server lacks the roles as well.
#[cfg(feature = "embedded")]
#[tokio::test]
async fn a_server_that_was_never_migrated_says_what_to_run() {
    let folder = tempfile::tempdir().unwrap();
    let error = create_db(embedded_in(folder.path())).await.unwrap_err();
    assert!(matches!(&error, OpenError::SchemaNotCurrent { detail } if detail.contains("migrated")), "{error:?}");
}

#[rstest]
#[case::the_applications_role("REVOKE tenantry_app FROM tenantry_test_login", "granted")]
#[case::the_system_role("REVOKE tenantry_system FROM tenantry_test_login", "granted")]
#[case::a_run_that_was_killed_before_its_last_step("REVOKE SELECT ON _sqlx_migrations FROM tenantry_app", "migrated")]
#[tokio::test]
async fn a_login_that_lacks_a_right_says_what_to_run(#[case] revoke: &'static str, #[case] words: &str) {
    let owned = OwnedDb::new(Logins::Two).await;
    let migrator = Driver::start(owned.config()).await.unwrap().migrator();
    migrator.run().await.unwrap();
    create_db(owned.config()).await.unwrap().close().await;
    sqlx::raw_sql(revoke).execute(&mut owned.superuser().await).await.unwrap();
    let error = create_db(owned.config()).await.unwrap_err();
    assert!(matches!(&error, OpenError::SchemaNotCurrent { detail } if detail.contains(words)), "{error:?}");
    assert!(error.to_string().contains("tenantry migrate run"), "{error}");
}

#[rstest]
#[tokio::test]
async fn a_schema_that_is_not_current_is_refused_at_start_and_by_readiness(#[future(awt)] db: TestDb) {
    let readiness: std::sync::Arc<dyn Readiness> = db.db.module().resolve();
    readiness.ready().await.unwrap();
    let mut owner = db.owner().await;
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 5").execute(&mut owner).await.unwrap();
    assert!(matches!(readiness.ready().await, Err(DbError::SchemaNotCurrent)));
    let error = create_db(db.config(1)).await.unwrap_err();
    assert!(error.to_string().contains("1 pending"), "{error}");
}

#[rstest]
#[tokio::test]
async fn production_refuses_a_superuser(#[future(awt)] db: TestDb) {
    let error = create_db(DbConfig { production: true, ..db.config(1) }).await.unwrap_err();
    assert!(matches!(error, OpenError::Superuser), "{error:?}");
}

#[rstest]
#[tokio::test]
async fn an_application_role_that_owns_a_table_is_refused(#[future(awt)] db: TestDb) {
    let mut owner = db.owner().await;
    sqlx::raw_sql("CREATE TABLE theirs (); ALTER TABLE theirs OWNER TO tenantry_app")
        .execute(&mut owner)
        .await
        .unwrap();
    let error = create_db(db.config(1)).await.unwrap_err();
    assert!(matches!(error, OpenError::Unbound), "{error:?}");
}

#[rstest]
#[tokio::test]
async fn a_database_that_does_not_exist_is_named_in_one_line(#[future(awt)] db: TestDb) {
    let url = db.url();
    let (before, query) = url.split_once('?').unwrap_or((&url, ""));
    let elsewhere = format!("{}/no_such_database?{query}", before.rsplit_once('/').unwrap().0);
    let error = create_db(at(&elsewhere)).await.unwrap_err();
    assert!(matches!(&error, OpenError::Refused { reason, .. } if reason.contains("no_such_database")), "{error:?}");
}
