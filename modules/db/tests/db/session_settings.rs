//! The program's session settings, whatever the defaults of the database and of the login are.

use std::collections::BTreeMap;

use db::{DbConfig, DbDriver, DbServer, ExternalAdmin, Migrator, SystemReason, UnauditedReason, open_db};
use sqlx::{
    PgConnection, SqlSafeStr,
    migrate::{Migration, MigrationType},
};
use test_support::TempDb;

/// Defaults under which a connection that relies on them fails or loses isolation. Those that the server doesn't know are
/// skipped.
const HOSTILE_DEFAULTS: [(&str, &str); 11] = [
    ("default_transaction_isolation", "serializable"),
    ("default_transaction_read_only", "on"),
    ("default_transaction_deferrable", "on"),
    ("statement_timeout", "1"),
    ("lock_timeout", "1"),
    ("idle_in_transaction_session_timeout", "1"),
    ("idle_session_timeout", "1"),
    ("row_security", "off"),
    ("search_path", "pg_catalog"),
    ("TimeZone", "Pacific/Apia"),
    // From PostgreSQL 17 on. It also applies to the query for the server's version.
    ("transaction_timeout", "1s"),
];

/// Makes them the defaults of the database and of the superuser's login in it. The latter take precedence.
async fn set_hostile_defaults(superuser: &mut PgConnection) {
    let set = "DO $$ BEGIN
           IF current_setting(current_setting('hostile.name'), true) IS NULL THEN
             RETURN;
           END IF;
           EXECUTE format('ALTER DATABASE %I SET %I = %L', current_database(), current_setting('hostile.name'),
             current_setting('hostile.value'));
           EXECUTE format('ALTER ROLE %I IN DATABASE %I SET %I = %L', current_user, current_database(),
             current_setting('hostile.name'), current_setting('hostile.value'));
         END $$";
    for (name, value) in HOSTILE_DEFAULTS {
        let configure = "SELECT set_config('hostile.name', $1, false), set_config('hostile.value', $2, false)";
        sqlx::query(configure).bind(name).bind(value).execute(&mut *superuser).await.unwrap();
        sqlx::raw_sql(set).execute(&mut *superuser).await.unwrap();
    }
}

#[tokio::test]
async fn hostile_defaults_have_no_effect() {
    let empty = TempDb::empty().await;
    // The defaults would end other connections at once.
    let major = server_major(&empty).await;
    set_hostile_defaults(&mut empty.superuser().await).await;
    // Migrations of an empty database, and statements of the application.
    let db = open_db(DbConfig { migrate_on_start: true, ..empty.config(2) }).await.unwrap();
    let mut tx = db.system().begin(SystemReason::Seed).await.unwrap();
    let names: Vec<&str> = HOSTILE_DEFAULTS.iter().map(|(name, _)| *name).collect();
    let settings = sqlx::query_as("SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY($1)");
    let settings: Vec<(String, String)> = settings.bind(names).fetch_all(tx.conn()).await.unwrap();
    let mut expected = BTreeMap::from([
        ("TimeZone", "UTC"),
        ("default_transaction_deferrable", "off"),
        ("default_transaction_isolation", "read committed"),
        ("default_transaction_read_only", "off"),
        ("idle_in_transaction_session_timeout", "15s"),
        ("idle_session_timeout", "0"),
        ("lock_timeout", "3s"),
        ("row_security", "on"),
        ("search_path", "public"),
        ("statement_timeout", "5s"),
    ]);
    if major >= 17 {
        expected.insert("transaction_timeout", "0");
    }
    let settings: BTreeMap<_, _> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(settings, expected);
    let begun: (String, String) =
        sqlx::query_as("SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')")
            .fetch_one(tx.conn())
            .await
            .unwrap();
    assert_eq!(begun, ("read committed".to_owned(), "off".to_owned()));
    tx.commit_unaudited(UnauditedReason::DemoData).await.unwrap();
}

async fn server_major(database: &TempDb) -> u32 {
    database.version().await.split(['.', ' ']).find_map(|word| word.parse().ok()).unwrap()
}

/// Fails if the duration of a transaction is limited.
fn needs_unlimited_transaction() -> Migration {
    let sql = "DO $$ BEGIN ASSERT coalesce(current_setting('transaction_timeout', true), '0') = '0'; END $$";
    Migration::new(9999, "test".into(), MigrationType::ReversibleUp, sql.into_sql_str(), false)
}

#[tokio::test]
async fn migrations_ignore_default_transaction_timeout() {
    let run = async |migrator: Migrator| migrator.with_extra([needs_unlimited_transaction()]).run().await.unwrap();
    let empty = TempDb::empty().await;
    set_hostile_defaults(&mut empty.superuser().await).await;
    let applied = run(DbServer::start(empty.config(1)).await.unwrap().migrator()).await;
    assert_eq!(applied.last().unwrap().version, 9999);

    // The runner of the administrative commands.
    let empty = TempDb::empty().await;
    set_hostile_defaults(&mut empty.superuser().await).await;
    let config = empty.config(1);
    let DbDriver::Postgres(postgres) = config.driver.clone() else { panic!("{config:?}") };
    let admin = ExternalAdmin::for_restore(&config, &postgres).await.unwrap();
    let applied = run(admin.migrator().clone()).await;
    assert_eq!(applied.last().unwrap().version, 9999);
}
