//! Compares the committed query metadata in `.sqlx` with a freshly migrated database. It fails if a migration changes a
//! query's columns or parameters and `just prepare` wasn't run.

use std::{fs, path::Path};

use rstest::rstest;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};
use test_support::{TestDb, test_db};

#[rstest]
#[tokio::test]
async fn sqlx_metadata_is_current(#[future(awt)] test_db: TestDb) {
    let sqlx_dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(".sqlx");
    let mut superuser = test_db.superuser().await;
    let mut checked_count = 0;
    for file in fs::read_dir(sqlx_dir).unwrap() {
        let committed: Value = serde_json::from_str(&fs::read_to_string(file.unwrap().path()).unwrap()).unwrap();
        let sql = committed["query"].as_str().unwrap();
        let description = (&mut superuser).describe(AssertSqlSafe(sql).into_sql_str()).await;
        let description = description.unwrap_or_else(|error| panic!("{error}; run `just prepare`: {sql}"));
        let mut current_description = serde_json::to_value(&description).unwrap();
        let mut committed_description = committed["describe"].clone();
        // The origin of a column contains an OID, which differs between databases.
        for description in [&mut current_description, &mut committed_description] {
            for column in description["columns"].as_array_mut().unwrap() {
                column
                    .as_object_mut()
                    .unwrap()
                    .retain(|key, _| ["name", "ordinal", "type_info"].contains(&key.as_str()));
            }
        }
        assert_eq!(current_description, committed_description, "the metadata is outdated; run `just prepare`: {sql}");
        checked_count += 1;
    }
    assert!(checked_count >= 15, "expected at least 15 queries, found {checked_count}");
}
