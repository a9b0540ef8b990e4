//! What tests may see of the server they happen to run on is listed in `docs/testing.md`, and nothing else differs.

use std::collections::BTreeMap;

use sqlx::Connection;

use crate::{clones::maintenance, server::TestServer};

/// What isn't as PostgreSQL comes, of the settings that a test could notice; those of memory, logs and the like can't
/// be. How databases are sorted isn't a setting since version 16.
const CHANGED: &str = "
    SELECT name, setting
    FROM pg_settings
    WHERE setting IS DISTINCT FROM boot_val AND source NOT IN ('default', 'client', 'session', 'override')
      AND category LIKE ANY (ARRAY['Client Connection Defaults / Statement%', 'Client Connection Defaults / Locale%',
        'Connections and Authentication / Connection%', 'Version and Platform%', 'Query Tuning%', 'Lock%', 'Error%',
        'Write-Ahead Log / Settings', 'Customized Options'])
    UNION ALL
    SELECT 'datcollate', datcollate FROM pg_database WHERE datname = current_database() AND datcollate <> 'C'";

/// The rows of the page's table: a setting, and its value on the embedded server where that is always the same.
fn listed() -> BTreeMap<&'static str, Option<&'static str>> {
    let page = include_str!("../../../docs/testing.md");
    let (_, table) = page.split_once("| setting |").unwrap();
    let rows = table.lines().skip(2).map_while(|line| line.strip_prefix("| `"));
    let row = |row: &'static str| {
        let (setting, cells) = row.split_once("` |").unwrap();
        let value = cells.split('|').next().unwrap().trim();
        (setting, value.strip_prefix('`').and_then(|value| value.strip_suffix('`')))
    };
    rows.map(row).collect()
}

#[tokio::test]
async fn the_server_differs_in_what_the_page_lists_and_in_nothing_else() {
    let mut connection = maintenance().await;
    #[expect(clippy::disallowed_methods, reason = "of the server, not of the schema")]
    let changed: Vec<(String, String)> = sqlx::query_as(CHANGED).fetch_all(&mut connection).await.unwrap();
    let listed = listed();
    for (setting, value) in &changed {
        assert!(listed.contains_key(&**setting), "{setting} is {value:?} here: list it in docs/testing.md, or undo it");
    }
    if !TestServer::get().is_ours_alone() {
        return;
    }
    for (setting, expected) in listed {
        let value = changed.iter().find(|(name, _)| name == setting).map(|(_, value)| &**value);
        let stale = "docs/testing.md says otherwise";
        assert!(
            value.is_some() && expected.is_none_or(|expected| value == Some(expected)),
            "{setting} {value:?}: {stale}"
        );
    }
    connection.close().await.unwrap();
}
