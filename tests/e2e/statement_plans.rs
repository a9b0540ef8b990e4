//! Statements read their rows by an index in a large database: a statement about one tenant must not read the rows of all.

use std::{fs, path::Path};

use rstest::rstest;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};
use test_support::{RowCounts, TestDb, test_db};

/// The beginnings of the statements about all tenants.
const WHOLE_TABLE: [&str; 2] = [
    // `policies status` counts the tenants of each version of the templates.
    "SELECT policy_template_version AS version, count(*)",
    // `policies upgrade` upgrades all tenants.
    "SELECT tenant_id FROM tenant_attributes WHERE policy_template_version <",
];

const LARGE_DATABASE: RowCounts = RowCounts { tenants: 5_000, members: 50, users: 25_000 };

#[rstest]
#[tokio::test]
async fn every_statement_uses_indexes(#[future(awt)] test_db: TestDb) {
    test_db.insert_generated_tenants(LARGE_DATABASE).await;
    let mut connection = test_db.superuser().await;
    let sqlx_dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(".sqlx");
    let empty: Vec<String> =
        sqlx::query_scalar("SELECT relname::text FROM pg_class WHERE relkind = 'r' AND reltuples <= 0")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    let (mut checked, mut exceptions) = (0, 0);
    for file in fs::read_dir(sqlx_dir).unwrap() {
        let metadata: Value = serde_json::from_str(&fs::read_to_string(file.unwrap().path()).unwrap()).unwrap();
        let sql = metadata["query"].as_str().unwrap();
        let plans_in_use = Value::Array(plans(&mut connection, sql, "on").await);
        if sql.contains("admitted_scope") {
            let plan_text = plans_in_use.to_string();
            for unwanted_node in ["BitmapOr", "hashed SubPlan"] {
                assert!(
                    !plan_text.contains(unwanted_node),
                    "row-level security adds a {unwanted_node}, which reads the tenant's other rows: {sql}"
                );
            }
        }
        let mut scanned = scanned_tables(&plans_in_use);
        if scanned.iter().any(|table| empty.contains(table)) {
            // PostgreSQL scans an empty table even if there is an index, unless `enable_seqscan` is off.
            let tables_without_index = scanned_tables(&Value::Array(plans(&mut connection, sql, "off").await));
            scanned.retain(|table| !empty.contains(table) || tables_without_index.contains(table));
        }
        let words = sql.split_whitespace().collect::<Vec<_>>().join(" ");
        if WHOLE_TABLE.iter().any(|beginning| words.starts_with(beginning)) {
            assert!(!scanned.is_empty(), "uses an index, so it needs no exception: {words}");
            exceptions += 1;
        } else {
            assert!(
                scanned.is_empty(),
                "reads the whole table {scanned:?}; add an index or change the statement: {words}"
            );
        }
        checked += 1;
    }
    assert!(checked >= 60, "expected at least 60 statements, found {checked}");
    assert_eq!(exceptions, WHOLE_TABLE.len(), "an exception is unused");
}

/// The statements inside of functions aren't in `.sqlx`.
#[rstest]
#[tokio::test]
async fn scope_functions_use_indexes(#[future(awt)] test_db: TestDb) {
    let admin = test_db.insert_generated_tenants(LARGE_DATABASE).await.swap_remove(500);
    let mut connection = test_db.superuser().await;
    let (tenant, user) = (admin.tenant, admin.user);
    let admission = format!(
        "SELECT admitted_scope(ARRAY[m.tenant_id, m.user_id, m.role_id, t.policy_version])
         FROM memberships AS m JOIN tenants AS t ON t.id = m.tenant_id
         WHERE m.tenant_id = '{tenant}' AND m.user_id = '{user}'"
    );
    for (scope, call) in [
        (format!("SELECT tenant_scope('{tenant}')"), admission.as_str()),
        (format!("SELECT user_scope('{user}')"), "SELECT scope_user_tenants()"),
    ] {
        execute(&mut connection, "BEGIN").await;
        execute(&mut connection, "SET LOCAL ROLE tenantry_app").await;
        execute(&mut connection, &scope).await;
        execute(&mut connection, call).await;
        let scanned: Vec<String> =
            sqlx::query_scalar("SELECT relname::text FROM pg_stat_xact_user_tables WHERE seq_scan > 0")
                .fetch_all(&mut connection)
                .await
                .unwrap();
        let read: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_stat_xact_user_tables WHERE idx_scan > 0")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        execute(&mut connection, "ROLLBACK").await;
        assert!(scanned.is_empty(), "reads the whole table {scanned:?}: {call}");
        assert!(read > 0, "reads nothing: {call}");
    }
}

/// Returns the generic plans, one per role that may execute the statement.
async fn plans(connection: &mut PgConnection, sql: &str, enable_seqscan: &str) -> Vec<Value> {
    let mut plans = Vec::new();
    for role in ["tenantry_app", "tenantry_system"] {
        execute(connection, "BEGIN").await;
        execute(connection, &format!("SET LOCAL ROLE {role}")).await;
        execute(connection, "SET LOCAL plan_cache_mode = force_generic_plan").await;
        execute(connection, &format!("SET LOCAL enable_seqscan = {enable_seqscan}")).await;
        execute(connection, &format!("PREPARE statement AS {sql}")).await;
        let parameters: i32 = sqlx::query_scalar("SELECT cardinality(parameter_types) FROM pg_prepared_statements")
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        let arguments = vec!["NULL"; usize::try_from(parameters).unwrap()].join(", ");
        let arguments = if arguments.is_empty() { arguments } else { format!("({arguments})") };
        let explain = format!("EXPLAIN (FORMAT JSON, COSTS off) EXECUTE statement{arguments}");
        let explained = sqlx::query_scalar(AssertSqlSafe(explain)).persistent(false).fetch_one(&mut *connection).await;
        execute(connection, "ROLLBACK").await;
        execute(connection, "DEALLOCATE statement").await;
        match explained {
            Ok(plan) => plans.push(plan),
            Err(error) => {
                let code = error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
                assert_eq!(code.as_deref(), Some("42501"), "{error}: {sql}");
            }
        }
    }
    assert!(!plans.is_empty(), "no role may execute: {sql}");
    plans
}

/// Returns the tables that the plan reads as a whole.
fn scanned_tables(plan: &Value) -> Vec<String> {
    match plan {
        Value::Array(plans) => plans.iter().flat_map(scanned_tables).collect(),
        Value::Object(node) => {
            let is_scan = node.get("Node Type").is_some_and(|kind| kind == "Seq Scan");
            let table = is_scan.then(|| node["Relation Name"].as_str().unwrap().to_owned());
            table.into_iter().chain(node.values().flat_map(scanned_tables)).collect()
        }
        _ => Vec::new(),
    }
}

async fn execute(connection: &mut PgConnection, sql: &str) {
    let executed = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await;
    executed.unwrap_or_else(|error| panic!("{error}: {sql}"));
}
