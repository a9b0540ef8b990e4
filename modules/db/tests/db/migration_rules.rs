//! Rules that every migration follows, tested on populated data with an owner who isn't a superuser.

use std::{collections::BTreeMap, path::Path};

use db::{DbServer, MIGRATIONS, MigrateError, Migrator};
use rstest::rstest;
use sqlx::{
    PgConnection, SqlSafeStr,
    migrate::{Migration, MigrationType},
};
use test_support::{Logins, OwnedDb, TestDb, test_db};

#[test]
fn every_migration_has_down_and_owner() {
    let modules_dir = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let is_module = |owner: &str| modules_dir.join(owner).is_dir();
    for migration in MIGRATIONS.iter().filter(|m| !m.migration_type.is_down_migration()) {
        let version = migration.version;
        let has_down = MIGRATIONS.iter().any(|m| m.version == version && m.migration_type.is_down_migration());
        assert!(has_down, "{version:04} has no .down.sql");
        let owner = migration.description.split(' ').next().unwrap();
        assert!(is_module(owner), "{version:04}: the file name must begin with the module that owns it");
        let header = format!("-- Owner: {owner}. ");
        // `-- no-transaction`, required for CREATE INDEX CONCURRENTLY, must be the first line.
        let sql = migration.sql.as_str().trim_start_matches("-- no-transaction\n");
        assert!(sql.starts_with(&header), "{version:04}: must begin with {header:?} and a description");
    }
}

/// The runner replaces the two names with quoted identifiers.
#[test]
fn roles_are_named_as_identifiers() {
    let is_part_of_word = |c: char| c.is_alphanumeric() || "_\"'$".contains(c);
    for migration in MIGRATIONS.iter() {
        let sql = migration.sql.as_str();
        for (start, name) in ["tenantry_app", "tenantry_system"].into_iter().flat_map(|name| sql.match_indices(name)) {
            let around = (sql[..start].chars().next_back(), sql[start + name.len()..].chars().next());
            let is_identifier = !around.0.is_some_and(is_part_of_word) && !around.1.is_some_and(is_part_of_word);
            assert!(is_identifier, "{:04}: {name} must be an identifier without quotes", migration.version);
        }
    }
}

/// How a backfill reaches the rows of all tenants. The first line alone is an error; the second alone would reach no
/// rows.
const BACKFILL_PREFIX: &str = "SET LOCAL ROLE tenantry_system;\nSET LOCAL row_security = on;\n";

/// Returns whether the SQL enables row-level security without the role `tenantry_system`, so that its changes would
/// reach no rows.
fn lacks_tenantry_system(sql: &str) -> bool {
    sql.replace(BACKFILL_PREFIX, "").contains("row_security")
}

#[test]
fn backfill_sets_role() {
    for migration in MIGRATIONS.iter() {
        let has_no_effect = lacks_tenantry_system(migration.sql.as_str());
        assert!(!has_no_effect, "{:04}: a backfill must begin with exactly\n{BACKFILL_PREFIX}", migration.version);
    }
    assert!(lacks_tenantry_system("SET LOCAL row_security = on;\nUPDATE roles SET name = upper(name);"));
    assert!(!lacks_tenantry_system(&format!("{BACKFILL_PREFIX}UPDATE roles SET name = upper(name);\nRESET ROLE;")));
}

/// Event triggers that record the settings of each DDL command and reject table rewrites.
const EVENT_TRIGGERS: &str = r"
    CREATE SCHEMA watch;
    CREATE TABLE watch.commands (tag text, lock_timeout text, statement_timeout text, row_security text, login text);
    CREATE FUNCTION watch.record_command() RETURNS event_trigger SECURITY DEFINER LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO watch.commands VALUES (tg_tag, current_setting('lock_timeout'),
          current_setting('statement_timeout'), current_setting('row_security'), session_user);
      END
    $$;
    CREATE FUNCTION watch.reject_rewrite() RETURNS event_trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE 'the migration rewrites table %, which blocks all reads', pg_event_trigger_table_rewrite_oid()::regclass;
      END
    $$;
    CREATE EVENT TRIGGER record_command ON ddl_command_start EXECUTE FUNCTION watch.record_command();
    CREATE EVENT TRIGGER reject_rewrite ON table_rewrite EXECUTE FUNCTION watch.reject_rewrite();
";

/// Returns a database with the demo data, migrated by its owner.
async fn seeded_db(logins: Logins) -> (OwnedDb, Migrator, PgConnection) {
    let owned = OwnedDb::new(logins).await;
    let mut superuser = owned.superuser().await;
    sqlx::raw_sql(EVENT_TRIGGERS).execute(&mut superuser).await.unwrap();
    let migrator = DbServer::start(owned.config()).await.unwrap().migrator();
    migrator.run().await.unwrap();
    owned.seed().await;
    (owned, migrator, superuser)
}

/// Returns the number of rows of each table.
async fn row_counts(superuser: &mut PgConnection) -> BTreeMap<String, i64> {
    let count = "SELECT relname::text, (xpath('/row/n/text()',
                   query_to_xml(format('SELECT count(*) AS n FROM %I', relname), false, true, '')))[1]::text::bigint
                 FROM pg_class
                 WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname NOT IN ('_sqlx_migrations', '_tenantry_access')";
    sqlx::query_as::<_, (String, i64)>(count).fetch_all(superuser).await.unwrap().into_iter().collect()
}

#[rstest]
#[case::separate_logins(Logins::Separate)]
#[case::shared_login(Logins::Shared)]
#[tokio::test]
async fn down_up_preserves_rows(#[case] logins: Logins) {
    let (owned, migrator, mut superuser) = seeded_db(logins).await;
    let before = row_counts(&mut superuser).await;
    assert!(before["memberships"] > 2 && before["users"] > 1 && before["subscriptions"] > 1, "{before:?}");
    let all = migrator.status().await.unwrap().len();
    for steps in 1..=all {
        assert_eq!(migrator.revert(steps).await.unwrap().len(), steps);
        let remaining = row_counts(&mut superuser).await;
        assert_eq!(migrator.run().await.unwrap().len(), steps);
        for (table, count) in row_counts(&mut superuser).await {
            let expected = if remaining.contains_key(&table) { before[&table] } else { 0 };
            assert_eq!(count, expected, "{table} after reverting and reapplying {steps} migrations");
        }
        owned.seed().await;
        // Seeding records only what it creates, so it doesn't restore the audit log.
        let without_log = |mut counts: BTreeMap<String, i64>| {
            counts.remove("audit_events");
            counts
        };
        assert_eq!(without_log(row_counts(&mut superuser).await), without_log(before.clone()));
    }
    let settings = "SELECT DISTINCT lock_timeout, statement_timeout, row_security, login FROM watch.commands";
    let settings: Vec<(String, String, String, String)> =
        sqlx::query_as(settings).fetch_all(&mut superuser).await.unwrap();
    let expected = ["10s", "10min", "off", "tenantry_test_owner"].map(str::to_owned);
    assert_eq!(settings, [expected.into()]);
}

fn migration(sql: &'static str) -> Migration {
    Migration::new(9999, "authorization test".into(), MigrationType::ReversibleUp, sql.into_sql_str(), false)
}

async fn run_error(migrator: &Migrator, sql: &'static str) -> String {
    match migrator.clone().with_extra([migration(sql)]).run().await.unwrap_err() {
        MigrateError::Failed { version: 9999, source } => source.to_string(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn table_rewrite_is_detected() {
    let (_owned, migrator, _) = seeded_db(Logins::Separate).await;
    let message = run_error(&migrator, "ALTER TABLE tenants ALTER name TYPE varchar(200)").await;
    assert!(message.contains("rewrites table tenants"), "{message}");
}

#[rstest]
#[case::separate_logins(Logins::Separate)]
#[case::shared_login(Logins::Shared)]
#[tokio::test]
async fn incomplete_backfill_is_an_error(#[case] logins: Logins) {
    let (_owned, migrator, mut superuser) = seeded_db(logins).await;
    for prefix in ["", "SET LOCAL ROLE tenantry_system; "] {
        let sql = format!("{prefix}UPDATE roles SET name = upper(name)");
        let message = run_error(&migrator, sql.leak()).await;
        assert!(message.contains("row-level security"), "{message}");
    }
    let correct = format!("{BACKFILL_PREFIX}UPDATE roles SET name = upper(name);\nRESET ROLE;");
    migrator.clone().with_extra([migration(correct.leak())]).run().await.unwrap();
    let unchanged: i64 = sqlx::query_scalar("SELECT count(*) FROM roles WHERE name <> upper(name)")
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    assert_eq!(unchanged, 0);
}

/// A different locale or a new version of the C library changes which texts are equal, or their order. An index with the
/// database's collation would then be corrupt.
#[rstest]
#[tokio::test]
async fn unique_texts_have_collation_c(#[future(awt)] test_db: TestDb) {
    let others = "SELECT indexrelid::regclass::text
                  FROM pg_index
                  JOIN pg_class AS c ON c.oid = indrelid
                  WHERE indisunique AND c.relnamespace = 'public'::regnamespace
                    AND EXISTS (SELECT FROM unnest(indcollation) AS used WHERE used NOT IN (0, '\"C\"'::regcollation))";
    let others: Vec<String> = sqlx::query_scalar(others).fetch_all(&mut test_db.superuser().await).await.unwrap();
    assert!(others.is_empty(), "unique indexes on texts without COLLATE \"C\": {others:?}");
}

/// Assumes that users enter the values of columns whose name is `name`, `title`, `label` or `description`, or ends with
/// that word.
#[rstest]
#[tokio::test]
async fn names_are_checked(#[future(awt)] test_db: TestDb) {
    let query = "SELECT format('%s.%I', attrelid::regclass, attname)
                 FROM pg_attribute
                 JOIN pg_class AS c ON c.oid = attrelid
                 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND NOT attisdropped
                   AND c.relname <> '_sqlx_migrations'
                   AND atttypid = 'text'::regtype AND attname ~ '(^|_)(name|title|label|description)$'
                   AND NOT EXISTS (
                     SELECT
                     FROM pg_constraint
                     WHERE conrelid = attrelid AND conkey @> ARRAY[attnum]
                       AND pg_get_constraintdef(pg_constraint.oid) LIKE format('%%is_normalized_name(%I)%%', attname)
                   )";
    let unchecked =
        async || -> Vec<String> { sqlx::query_scalar(query).fetch_all(&mut test_db.superuser().await).await.unwrap() };
    test_db.execute("ALTER TABLE tenants ADD COLUMN legal_name text").await;
    assert_eq!(unchecked().await, ["tenants.legal_name"]);
    test_db.execute("ALTER TABLE tenants DROP COLUMN legal_name").await;
    let unchecked = unchecked().await;
    assert!(
        unchecked.is_empty(),
        "columns without CHECK (is_normalized_name(…)), add it in the migration: {unchecked:?}"
    );
}
