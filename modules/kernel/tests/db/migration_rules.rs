//! What every migration keeps to, on populated data and as an owner who is no superuser.

use std::{collections::BTreeMap, path::Path};

use kernel::db::{DbServer, MIGRATIONS, MigrateError, Migrator};
use rstest::rstest;
use sqlx::{
    PgConnection, SqlSafeStr,
    migrate::{Migration, MigrationType},
};
use test_support::{Logins, OwnedDb};

#[test]
fn every_migration_has_down_and_owner() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let is_module = |owner: &str| folder.join(owner).is_dir();
    for migration in MIGRATIONS.iter().filter(|m| !m.migration_type.is_down_migration()) {
        let version = migration.version;
        let way_back = MIGRATIONS.iter().any(|m| m.version == version && m.migration_type.is_down_migration());
        assert!(way_back, "{version:04} has no .down.sql");
        let owner = migration.description.split(' ').next().unwrap();
        assert!(is_module(owner), "{version:04}: its file's name must begin with the module that owns it");
        let named = format!("-- Owner: {owner}. ");
        // What CREATE INDEX CONCURRENTLY needs must be the file's first line.
        let sql = migration.sql.as_str().trim_start_matches("-- no-transaction\n");
        assert!(sql.starts_with(&named), "{version:04}: it must begin with {named:?} and what for");
    }
}

/// How a back-fill reaches every tenant's rows. The first line alone is an error, the second alone would reach none.
const BACKFILL_PREFIX: &str = "SET LOCAL ROLE tenantry_system;\nSET LOCAL row_security = on;\n";

/// Whether it switches row-level security on for a role that isn't to see every row: its changes would reach none.
fn lacks_system_role(sql: &str) -> bool {
    sql.replace(BACKFILL_PREFIX, "").contains("row_security")
}

#[test]
fn noop_backfill_is_declared() {
    for migration in MIGRATIONS.iter() {
        let careless = lacks_system_role(migration.sql.as_str());
        assert!(!careless, "{:04}: a back-fill begins with exactly\n{BACKFILL_PREFIX}", migration.version);
    }
    assert!(lacks_system_role("SET LOCAL row_security = on;\nUPDATE roles SET name = upper(name);"));
    assert!(!lacks_system_role(&format!("{BACKFILL_PREFIX}UPDATE roles SET name = upper(name);\nRESET ROLE;")));
}

/// Watches a database: which settings each command that changes the schema runs under; and none may write a table anew.
const EVENT_TRIGGERS: &str = r"
    CREATE SCHEMA watch;
    CREATE TABLE watch.commands (tag text, lock_timeout text, statement_timeout text, row_security text, login text);
    CREATE FUNCTION watch.note() RETURNS event_trigger SECURITY DEFINER LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO watch.commands VALUES (tg_tag, current_setting('lock_timeout'),
          current_setting('statement_timeout'), current_setting('row_security'), session_user);
      END
    $$;
    CREATE FUNCTION watch.refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE 'it writes the table % anew, and nobody can read it meanwhile', pg_event_trigger_table_rewrite_oid()::regclass;
      END
    $$;
    CREATE EVENT TRIGGER note ON ddl_command_start EXECUTE FUNCTION watch.note();
    CREATE EVENT TRIGGER refuse ON table_rewrite EXECUTE FUNCTION watch.refuse();
";

/// A database with the demo data, migrated by its owner.
async fn populated(logins: Logins) -> (OwnedDb, Migrator, PgConnection) {
    let owned = OwnedDb::new(logins).await;
    let mut superuser = owned.superuser().await;
    sqlx::raw_sql(EVENT_TRIGGERS).execute(&mut superuser).await.unwrap();
    let migrator = DbServer::start(owned.config()).await.unwrap().migrator();
    migrator.run().await.unwrap();
    owned.seed().await;
    (owned, migrator, superuser)
}

/// How many rows each table has.
async fn rows(superuser: &mut PgConnection) -> BTreeMap<String, i64> {
    let count = "SELECT relname::text, (xpath('/row/n/text()',
                   query_to_xml(format('SELECT count(*) AS n FROM %I', relname), false, true, '')))[1]::text::bigint
                 FROM pg_class
                 WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> '_sqlx_migrations'";
    sqlx::query_as::<_, (String, i64)>(count).fetch_all(superuser).await.unwrap().into_iter().collect()
}

#[rstest]
#[case::the_application_has_its_own(Logins::Separate)]
#[case::the_owners_is_the_applications(Logins::Shared)]
#[tokio::test]
async fn down_up_preserves_rows(#[case] logins: Logins) {
    let (owned, migrator, mut superuser) = populated(logins).await;
    let before = rows(&mut superuser).await;
    assert!(before["memberships"] > 2 && before["users"] > 1 && before["subscriptions"] > 1, "{before:?}");
    let all = migrator.status().await.unwrap().len();
    for steps in 1..=all {
        assert_eq!(migrator.revert(steps).await.unwrap().len(), steps);
        let left = rows(&mut superuser).await;
        assert_eq!(migrator.run().await.unwrap().len(), steps);
        for (table, count) in rows(&mut superuser).await {
            let expected = if left.contains_key(&table) { before[&table] } else { 0 };
            assert_eq!(count, expected, "{table} after {steps} steps back and forth");
        }
        owned.seed().await;
        assert_eq!(rows(&mut superuser).await, before);
    }
    let settings = "SELECT DISTINCT lock_timeout, statement_timeout, row_security, login FROM watch.commands";
    let settings: Vec<(String, String, String, String)> =
        sqlx::query_as(settings).fetch_all(&mut superuser).await.unwrap();
    let all_the_same = ["10s", "10min", "off", "tenantry_test_owner"].map(str::to_owned);
    assert_eq!(settings, [all_the_same.into()]);
}

fn migration(sql: &'static str) -> Migration {
    Migration::new(9999, "authorization tried".into(), MigrationType::ReversibleUp, sql.into_sql_str(), false)
}

async fn refusal(migrator: &Migrator, sql: &'static str) -> String {
    match migrator.clone().with_extra([migration(sql)]).run().await.unwrap_err() {
        MigrateError::Failed { version: 9999, source } => source.to_string(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn table_rewrite_is_detected() {
    let (_owned, migrator, _) = populated(Logins::Separate).await;
    let words = refusal(&migrator, "ALTER TABLE tenants ALTER name TYPE varchar(200)").await;
    assert!(words.contains("writes the table tenants anew"), "{words}");
}

#[rstest]
#[case::the_application_has_its_own(Logins::Separate)]
#[case::the_owners_is_the_applications(Logins::Shared)]
#[tokio::test]
async fn incomplete_backfill_is_an_error(#[case] logins: Logins) {
    let (_owned, migrator, mut superuser) = populated(logins).await;
    for careless in ["", "SET LOCAL ROLE tenantry_system; "] {
        let sql = format!("{careless}UPDATE roles SET name = upper(name)");
        let words = refusal(&migrator, sql.leak()).await;
        assert!(words.contains("row-level security"), "{words}");
    }
    let careful = format!("{BACKFILL_PREFIX}UPDATE roles SET name = upper(name);\nRESET ROLE;");
    migrator.clone().with_extra([migration(careful.leak())]).run().await.unwrap();
    let missed: i64 = sqlx::query_scalar("SELECT count(*) FROM roles WHERE name <> upper(name)")
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    assert_eq!(missed, 0);
}
