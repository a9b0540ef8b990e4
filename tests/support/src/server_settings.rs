//! Checks that `docs/testing.md` lists every server setting that tests could notice and that differs between servers.

use std::collections::BTreeMap;

use sqlx::Connection;

use crate::{server::TestServer, template_db::maintenance_connection};

/// Settings that a test could notice and that differ from PostgreSQL's defaults. Memory, log and similar settings are
/// left out. The collation is read from the database, because it isn't a setting since version 16.
const CHANGED_SETTINGS: &str = "
    SELECT name, setting
    FROM pg_settings
    WHERE setting IS DISTINCT FROM boot_val AND source NOT IN ('default', 'client', 'session', 'override')
      AND category LIKE ANY (ARRAY['Client Connection Defaults / Statement%', 'Client Connection Defaults / Locale%',
        'Connections and Authentication / Connection%', 'Version and Platform%', 'Query Tuning%', 'Lock%', 'Error%',
        'Write-Ahead Log / Settings', 'Customized Options'])
    UNION ALL
    SELECT 'datcollate', datcollate FROM pg_database WHERE datname = current_database() AND datcollate <> 'C'";

/// Reads the page's table: each setting with its value on the embedded server, if that value is fixed.
fn documented_settings() -> BTreeMap<&'static str, Option<&'static str>> {
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
async fn server_settings_match_docs() {
    let mut connection = maintenance_connection().await;
    #[expect(clippy::disallowed_methods, reason = "reads the server's catalog, not the schema")]
    let changed: Vec<(String, String)> = sqlx::query_as(CHANGED_SETTINGS).fetch_all(&mut connection).await.unwrap();
    let documented_settings = documented_settings();
    for (setting, value) in &changed {
        assert!(
            documented_settings.contains_key(&**setting),
            "{setting} is {value:?} on this server: list it in docs/testing.md, or reset it"
        );
    }
    if !TestServer::get().is_exclusive() {
        return;
    }
    for (setting, expected) in documented_settings {
        let value = changed.iter().find(|(name, _)| name == setting).map(|(_, value)| &**value);
        assert!(
            value.is_some() && expected.is_none_or(|expected| value == Some(expected)),
            "{setting} is {value:?} on this server, but docs/testing.md says {expected:?}"
        );
    }
    connection.close().await.unwrap();
}
