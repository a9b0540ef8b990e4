//! The program's session settings, whatever the defaults of the database and of the login are.

use std::collections::BTreeMap;

use db::{DbConfig, SystemReason, open_db};
use sqlx::PgConnection;
use test_support::TempDb;

/// Defaults under which a connection that relies on them fails or loses isolation.
const HOSTILE_DEFAULTS: [(&str, &str); 10] = [
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
];

/// Makes them the defaults of the database and of the superuser's login in it. The latter take precedence.
async fn set_hostile_defaults(superuser: &mut PgConnection) {
    let set = "DO $$ BEGIN
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
    set_hostile_defaults(&mut empty.superuser().await).await;
    // Migrations of an empty database, and statements of the application.
    let db = open_db(DbConfig { migrate_on_start: true, ..empty.config(2) }).await.unwrap();
    let mut tx = db.system().begin(SystemReason::Seed).await.unwrap();
    let names: Vec<&str> = HOSTILE_DEFAULTS.iter().map(|(name, _)| *name).collect();
    let settings = sqlx::query_as("SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY($1)");
    let settings: Vec<(String, String)> = settings.bind(names).fetch_all(tx.conn()).await.unwrap();
    let expected = [
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
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(settings.into_iter().collect::<BTreeMap<_, _>>(), BTreeMap::from(expected));
    let begun: (String, String) =
        sqlx::query_as("SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')")
            .fetch_one(tx.conn())
            .await
            .unwrap();
    assert_eq!(begun, ("read committed".to_owned(), "off".to_owned()));
    tx.commit().await.unwrap();
}
