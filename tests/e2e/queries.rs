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
