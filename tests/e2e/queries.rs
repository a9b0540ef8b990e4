//! The committed query descriptions against a fresh database: a migration that changes what a query gives, and isn't
//! followed by `just prepare`, turns this red.

use std::{fs, path::Path};

use rstest::rstest;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};
use test_support::{TestDb, db};

#[rstest]
#[tokio::test]
async fn every_committed_query_is_described_as_the_database_describes_it(#[future(awt)] db: TestDb) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".sqlx");
    let mut owner = db.owner().await;
    let mut described = 0;
    for file in fs::read_dir(folder).unwrap() {
        let committed: Value = serde_json::from_str(&fs::read_to_string(file.unwrap().path()).unwrap()).unwrap();
        let sql = committed["query"].as_str().unwrap();
        let description = (&mut owner).describe(AssertSqlSafe(sql).into_sql_str()).await;
        let description = description.unwrap_or_else(|error| panic!("{error}, so run `just prepare`: {sql}"));
        let mut now = serde_json::to_value(&description).unwrap();
        let mut then = committed["describe"].clone();
        // Which table a column comes from is told by a number that is another in each database.
        for description in [&mut now, &mut then] {
            for column in description["columns"].as_array_mut().unwrap() {
                column
                    .as_object_mut()
                    .unwrap()
                    .retain(|key, _| ["name", "ordinal", "type_info"].contains(&key.as_str()));
            }
        }
        assert_eq!(now, then, "run `just prepare`: {sql}");
        described += 1;
    }
    assert!(described >= 15, "only {described} queries were found");
}

/// What makes a statement's scope come before what it reads: without a fence the planner may read first, and find nothing.
fn is_fenced(sql: &str) -> bool {
    let sql = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    let opened = [
        "(SELECT tenant_scope($1) AS tenant_id OFFSET 0) AS s, LATERAL (",
        "(SELECT own_scope($1) AS user_id OFFSET 0) AS s, LATERAL (",
    ];
    let rest = opened.iter().find_map(|scope| sql.split_once(&format!("FROM {scope}"))).map(|(_, rest)| rest);
    let inner = rest.and_then(|rest| rest.rsplit_once(") AS ")).map_or("", |(inner, _)| inner.trim_end());
    let last = inner.rsplit(' ').nth(1);
    sql.starts_with("SELECT") && (inner.ends_with("OFFSET 0") || last == Some("LIMIT"))
}

#[test]
fn every_statement_that_opens_its_own_scope_is_fenced() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".sqlx");
    let mut fenced = 0;
    for file in fs::read_dir(folder).unwrap() {
        let committed: Value = serde_json::from_str(&fs::read_to_string(file.unwrap().path()).unwrap()).unwrap();
        let sql = committed["query"].as_str().unwrap();
        if sql.contains("_scope(") {
            assert!(is_fenced(sql), "write it as modules/kernel/src/db/read.rs says: {sql}");
            fenced += 1;
        }
    }
    assert!(fenced >= 4, "only {fenced} were found");

    let scope = "FROM (SELECT tenant_scope($1) AS tenant_id OFFSET 0) AS s";
    let read = "SELECT * FROM roles AS r WHERE r.tenant_id = s.tenant_id";
    assert!(is_fenced(&format!("SELECT r.id {scope}, LATERAL ({read} OFFSET 0) AS r")));
    assert!(is_fenced(&format!("SELECT r.id {scope}, LATERAL ({read} LIMIT $2) AS r ORDER BY r.id")));
    for unfenced in [
        format!("SELECT r.id {scope}, LATERAL ({read}) AS r"),
        format!("SELECT r.id {scope}, roles AS r WHERE r.tenant_id = s.tenant_id OFFSET 0"),
        format!("SELECT r.id {}, LATERAL ({read} OFFSET 0) AS r", scope.replace(" OFFSET 0", "")),
        "SELECT tenant_scope($1), r.id FROM roles AS r".to_owned(),
    ] {
        assert!(!is_fenced(&unfenced), "{unfenced}");
    }
}
