//! `.sqlx` has metadata for exactly the statements in the sources.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    sources::{Source, fake_source, list_dir, read, rust_files_in},
    sql::all_statements,
    violation::{Violation, assert_no_violations, assert_one_violation},
};

const HELP: &str = "run `just prepare` and commit .sqlx";

/// Compares the statements in `sources` with the metadata files.
fn violations(sources: &[Source], metadata: &[Source]) -> Vec<Violation> {
    let statements: Vec<_> = sources.iter().flat_map(all_statements).collect();
    let texts: BTreeSet<&str> = statements.iter().map(|statement| statement.sql.as_str()).collect();
    let mut violations = Vec::new();
    let mut cached = BTreeSet::new();
    for file in metadata {
        let sql = sql(file);
        if !texts.contains(sql.as_str()) {
            violations.push(Violation::new(&file.path, 0, "metadata for a statement that isn't in the sources", HELP));
        }
        cached.insert(sql);
    }
    for statement in statements.iter().filter(|statement| !cached.contains(&statement.sql)) {
        violations.push(Violation::new(&statement.file, statement.line, "no metadata for this statement", HELP));
    }
    violations
}

/// Returns the statement that a metadata file describes.
fn sql(file: &Source) -> String {
    let value: Value = serde_json::from_str(&file.text).unwrap();
    value["query"].as_str().unwrap_or_else(|| panic!("{}: no field `query`", file.path)).to_owned()
}

#[test]
fn sqlx_cache_matches_statements() {
    // tests/arch-lint and tests/compile-fail contain sample statements, and tools/new-module contains templates.
    let folders = ["modules", "seeds", "src", "tests/e2e", "tests/support", "tools/bench", "tools/cedar-oracle"];
    let sources: Vec<Source> = folders.into_iter().flat_map(rust_files_in).collect();
    let metadata: Vec<Source> = list_dir(".sqlx").into_iter().map(|name| read(&format!(".sqlx/{name}"))).collect();
    assert!(metadata.len() > 50, "expected more than 50 metadata files, found {}", metadata.len());
    assert_no_violations(&violations(&sources, &metadata));
}

#[test]
fn stale_sqlx_cache_entry_is_rejected() {
    let metadata = |sql: &str| fake_source(".sqlx/query-1.json", &serde_json::json!({ "query": sql }).to_string());
    let source = fake_source(
        "modules/user/tests/users.rs",
        "#[test]\nfn f() {\n query!(\"SELECT 1\" + \" FROM users\");\n}\n#[cfg(test)]\nmod tests { fn g() { query!(\"SELECT 2\"); } }",
    );
    let [one, two] = ["SELECT 1 FROM users", "SELECT 2"].map(metadata);
    assert_no_violations(&violations(
        &[fake_source("a.rs", &source.text)],
        &[metadata("SELECT 1 FROM users"), metadata("SELECT 2")],
    ));
    assert_one_violation(
        &violations(std::slice::from_ref(&source), &[one, two, metadata("SELECT 3")]),
        ".sqlx/query-1.json:0: metadata for a statement that isn't in the sources; run `just prepare`",
    );
    assert_one_violation(
        &violations(&[source], &[metadata("SELECT 1 FROM users")]),
        "modules/user/tests/users.rs:6: no metadata for this statement; run `just prepare`",
    );
}
