//! What is described in `.sqlx` is what is asked: no description of a statement that nobody sends any more is left over.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    sources::{Source, fake_source, names, read, rust_files_in},
    sql::all_statements,
    violation::{Violation, assert_no_violations, assert_one_violation},
};

const HELP: &str = "run `just prepare`, and commit .sqlx";

/// The findings in these sources and in these descriptions.
fn violations(sources: &[Source], descriptions: &[Source]) -> Vec<Violation> {
    let statements: Vec<_> = sources.iter().flat_map(all_statements).collect();
    let texts: BTreeSet<&str> = statements.iter().map(|statement| statement.sql.as_str()).collect();
    let mut found = Vec::new();
    let mut cached = BTreeSet::new();
    for description in descriptions {
        let sql = sql(description);
        if !texts.contains(sql.as_str()) {
            found.push(Violation::new(&description.path, 0, "it describes a statement that nobody sends", HELP));
        }
        cached.insert(sql);
    }
    for statement in statements.iter().filter(|statement| !cached.contains(&statement.sql)) {
        found.push(Violation::new(&statement.file, statement.line, "the statement isn't described", HELP));
    }
    found
}

/// The statement that a description is of.
fn sql(description: &Source) -> String {
    let value: Value = serde_json::from_str(&description.text).unwrap();
    value["query"].as_str().unwrap_or_else(|| panic!("{}: it has no `query`", description.path)).to_owned()
}

#[test]
fn sqlx_cache_matches_statements() {
    // tests/arch-lint and tests/compile-fail have made-up ones, and tools/new-module those of modules to come.
    let folders = ["modules", "seeds", "src", "tests/e2e", "tests/support", "tools/bench", "tools/cedar-oracle"];
    let sources: Vec<Source> = folders.into_iter().flat_map(rust_files_in).collect();
    let descriptions: Vec<Source> = names(".sqlx").into_iter().map(|name| read(&format!(".sqlx/{name}"))).collect();
    assert!(descriptions.len() > 50, "only {} descriptions were found", descriptions.len());
    assert_no_violations(&violations(&sources, &descriptions));
}

#[test]
fn stale_sqlx_cache_entry_is_rejected() {
    let description = |sql: &str| fake_source(".sqlx/query-1.json", &serde_json::json!({ "query": sql }).to_string());
    let source = fake_source(
        "modules/user/tests/people.rs",
        "#[test]\nfn f() {\n query!(\"SELECT 1\" + \" FROM users\");\n}\n#[cfg(test)]\nmod tests { fn g() { query!(\"SELECT 2\"); } }",
    );
    let [one, two] = ["SELECT 1 FROM users", "SELECT 2"].map(description);
    assert_no_violations(&violations(
        &[fake_source("a.rs", &source.text)],
        &[description("SELECT 1 FROM users"), description("SELECT 2")],
    ));
    assert_one_violation(
        &violations(std::slice::from_ref(&source), &[one, two, description("SELECT 3")]),
        ".sqlx/query-1.json:0: it describes a statement that nobody sends; run `just prepare`",
    );
    assert_one_violation(
        &violations(&[source], &[description("SELECT 1 FROM users")]),
        "modules/user/tests/people.rs:6: the statement isn't described; run `just prepare`",
    );
}
