//! What is described in `.sqlx` is what is asked: no description of a statement that nobody sends any more is left over.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    finding::{Finding, assert_none, assert_one},
    sources::{Source, made_up, names, read, rust_below},
    sql::statements_with_tests,
};

const INSTEAD: &str = "run `just prepare`, and commit .sqlx";

/// The findings in these sources and in these descriptions.
fn findings(sources: &[Source], descriptions: &[Source]) -> Vec<Finding> {
    let asked: Vec<_> = sources.iter().flat_map(statements_with_tests).collect();
    let texts: BTreeSet<&str> = asked.iter().map(|statement| statement.sql.as_str()).collect();
    let mut found = Vec::new();
    let mut described = BTreeSet::new();
    for description in descriptions {
        let sql = sql(description);
        if !texts.contains(sql.as_str()) {
            found.push(Finding::new(&description.path, 0, "it describes a statement that nobody sends", INSTEAD));
        }
        described.insert(sql);
    }
    for statement in asked.iter().filter(|statement| !described.contains(&statement.sql)) {
        found.push(Finding::new(&statement.file, statement.line, "the statement isn't described", INSTEAD));
    }
    found
}

/// The statement that a description is of.
fn sql(description: &Source) -> String {
    let value: Value = serde_json::from_str(&description.text).unwrap();
    value["query"].as_str().unwrap_or_else(|| panic!("{}: it has no `query`", description.path)).to_owned()
}

#[test]
fn every_description_is_of_a_statement_and_every_statement_is_described() {
    // tests/rules and tests/wiring have made-up ones, and tools/new-module those of modules to come.
    let folders = ["modules", "seeds", "src", "tests/e2e", "tests/support", "tools/bench", "tools/in-cedar"];
    let sources: Vec<Source> = folders.into_iter().flat_map(rust_below).collect();
    let descriptions: Vec<Source> = names(".sqlx").into_iter().map(|name| read(&format!(".sqlx/{name}"))).collect();
    assert!(descriptions.len() > 50, "only {} descriptions were found", descriptions.len());
    assert_none(&findings(&sources, &descriptions));
}

#[test]
fn a_description_that_is_left_over_is_refused() {
    let description = |sql: &str| made_up(".sqlx/query-1.json", &serde_json::json!({ "query": sql }).to_string());
    let source = made_up(
        "modules/user/tests/people.rs",
        "#[test]\nfn f() {\n query!(\"SELECT 1\" + \" FROM users\");\n}\n#[cfg(test)]\nmod tests { fn g() { query!(\"SELECT 2\"); } }",
    );
    let [one, two] = ["SELECT 1 FROM users", "SELECT 2"].map(description);
    assert_none(&findings(
        &[made_up("a.rs", &source.text)],
        &[description("SELECT 1 FROM users"), description("SELECT 2")],
    ));
    assert_one(
        &findings(std::slice::from_ref(&source), &[one, two, description("SELECT 3")]),
        ".sqlx/query-1.json:0: it describes a statement that nobody sends; run `just prepare`",
    );
    assert_one(
        &findings(&[source], &[description("SELECT 1 FROM users")]),
        "modules/user/tests/people.rs:6: the statement isn't described; run `just prepare`",
    );
}
