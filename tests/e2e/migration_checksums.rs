//! Migrations are append-only: `migrations/checksums.txt` has the SHA-384 of every file, one line each.

use std::{collections::BTreeMap, fmt::Write, fs};

use db::MIGRATIONS;

use crate::source_files::{is_update, root};

/// Returns every migration's file name and checksum.
fn migrations() -> BTreeMap<String, String> {
    let entry = |migration: &sqlx::migrate::Migration| {
        let direction = if migration.migration_type.is_down_migration() { "down" } else { "up" };
        let name = format!("{:04}_{}.{direction}.sql", migration.version, migration.description.replace(' ', "_"));
        let hex = migration.checksum.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        (name, hex)
    };
    MIGRATIONS.iter().map(entry).collect()
}

/// Returns the lines of the file: name, checksum.
fn parse(listed: &str) -> BTreeMap<String, String> {
    listed.lines().filter_map(|line| line.split_once(' ')).map(|(name, sum)| (name.into(), sum.into())).collect()
}

/// Returns the differences between the migrations and the list.
fn violations(listed: &BTreeMap<String, String>, migrations: &BTreeMap<String, String>) -> Vec<String> {
    let changed = listed.iter().filter_map(|(name, checksum)| match migrations.get(name) {
        None => Some(format!("migrations/{name} is missing: restore it; migrations are never deleted")),
        Some(other) if other != checksum => Some(format!(
            "migrations/{name} was changed: restore it and put the change into a new migration; if it was never \
             released, delete its line in migrations/checksums.txt and run `just update-docs`"
        )),
        Some(_) => None,
    });
    let new = migrations.keys().filter(|name| !listed.contains_key(*name));
    changed.chain(new.map(|name| format!("migrations/{name} isn't in checksums.txt: run `just update-docs`"))).collect()
}

#[test]
fn released_migrations_are_unchanged() {
    let (file, migrations) = (root().join("migrations/checksums.txt"), migrations());
    let mut listed = parse(&fs::read_to_string(&file).unwrap_or_default());
    // Adds lines for new migrations. A changed one is an error in any case.
    if is_update() {
        for (name, checksum) in &migrations {
            listed.entry(name.clone()).or_insert_with(|| checksum.clone());
        }
        let lines: String = listed.iter().map(|(name, checksum)| format!("{name} {checksum}\n")).collect();
        fs::write(&file, lines).unwrap();
    }
    let violations = violations(&listed, &migrations);
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn changed_missing_and_unlisted_migrations_are_rejected() {
    let listed = parse("0001_user.up.sql aa\n0002_user.up.sql bb\n");
    let migrations = parse("0001_user.up.sql ff\n0003_user.up.sql cc\n");
    let violations = violations(&listed, &migrations);
    let expected = ["0001_user.up.sql was changed", "0002_user.up.sql is missing", "0003_user.up.sql isn't in"];
    assert_eq!(violations.len(), expected.len(), "{violations:?}");
    for (violation, expected) in violations.iter().zip(expected) {
        assert!(violation.contains(expected), "{violation}");
    }
}
