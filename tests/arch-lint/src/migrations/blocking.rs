//! Statements that block concurrent use of a table for as long as they scan it. squawk (`.ci/check-migrations`) checks
//! more; this rule needs no other program. A table that the same migration creates is empty.

use std::collections::BTreeSet;

use crate::{
    sources::Source,
    sql::sql_tokens,
    violation::{Message, Violation, assert_rule},
};

/// Checks one migration. A comment `-- squawk-ignore RULE` above a statement accepts it.
pub(super) fn violations(migration: &Source) -> Vec<Violation> {
    if migration.path.ends_with(".down.sql") {
        return Vec::new();
    }
    let tokens = sql_tokens(&migration.text, 1);
    let lines: Vec<&str> = migration.text.lines().map(str::trim).collect();
    let mut created = BTreeSet::new();
    let mut violations = Vec::new();
    for statement in tokens.split(|(word, _)| word == ";").filter(|statement| !statement.is_empty()) {
        let words: Vec<&str> = statement.iter().map(|(word, _)| word.as_str()).collect();
        if words.starts_with(&["create", "table"]) {
            created.extend(name(&words[2..]));
        }
        let line = statement[0].1;
        let above = lines[..line - 1].iter().rev().take_while(|line| line.starts_with("--"));
        let is_accepted = above.into_iter().any(|line| line.starts_with("-- squawk-ignore"));
        let on_new_table = table(&words).is_some_and(|table| created.contains(table));
        if let Some((problem, help)) = blocking(&words).filter(|_| !is_accepted && !on_new_table) {
            violations.push(Violation::new(&migration.path, line, problem, help));
        }
    }
    violations
}

/// Returns the name at the beginning, after optional words.
fn name<'a>(words: &[&'a str]) -> Option<&'a str> {
    let optional = ["if", "not", "exists", "only", "concurrently", "public", "."];
    words.iter().copied().find(|word| !optional.contains(word))
}

/// Returns the table of `CREATE INDEX` or `ALTER TABLE`.
fn table<'a>(words: &[&'a str]) -> Option<&'a str> {
    match words {
        ["alter", "table", rest @ ..] => name(rest),
        ["create", "unique", "index", ..] | ["create", "index", ..] => {
            let on = words.iter().position(|word| *word == "on")?;
            name(&words[on + 1..])
        }
        _ => None,
    }
}

fn blocking(words: &[&str]) -> Option<Message> {
    let has = |sequence: &[&str]| words.windows(sequence.len()).any(|window| window == sequence);
    let message =
        |problem: &str, help: &'static str| Some((format!("{problem}, which blocks other transactions"), help));
    match words {
        ["create", "index", ..] | ["create", "unique", "index", ..] if !has(&["concurrently"]) => message(
            "creates an index on an existing table",
            "write CREATE INDEX CONCURRENTLY, alone in a migration that begins with -- no-transaction",
        ),
        ["reindex", ..] if !has(&["concurrently"]) => message("rebuilds an index", "write REINDEX ... CONCURRENTLY"),
        ["cluster", ..] | ["vacuum", "full", ..] => message("rewrites a table", "remove it"),
        ["lock", ..] => message("locks a table", "remove it; each statement takes the locks that it needs"),
        ["alter", "table", ..] => {
            let adds = |kind: &[&str]| has(&["add", "constraint"]) && has(kind) || has(&[&["add"], kind].concat());
            let checks = adds(&["check"]) || adds(&["foreign", "key"]);
            if checks && !has(&["not", "valid"]) && !has(&["add", "column"]) {
                return message(
                    "adds a constraint to an existing table",
                    "add it NOT VALID, and execute VALIDATE CONSTRAINT in the next migration",
                );
            }
            if (adds(&["unique"]) || adds(&["primary", "key"])) && !has(&["using", "index"]) && !has(&["add", "column"])
            {
                return message(
                    "adds a unique constraint to an existing table",
                    "create a unique index CONCURRENTLY in an earlier migration, and add the constraint USING INDEX",
                );
            }
            if has(&["set", "not", "null"]) {
                return message(
                    "makes an existing column NOT NULL",
                    "add CHECK (column IS NOT NULL) NOT VALID, and validate it in an earlier migration; then accept this with -- squawk-ignore",
                );
            }
            if has(&["type"]) && has(&["alter", "column"]) || has(&["set", "data", "type"]) {
                return message(
                    "changes the type of an existing column",
                    "add a new column, copy the values in batches, and remove the old one later",
                );
            }
            None
        }
        _ => None,
    }
}

#[test]
fn blocking_migration_is_rejected() {
    assert_rule(
        violations,
        "migrations/0009_billing.up.sql",
        &[
            "CREATE TABLE a (id uuid);\nCREATE INDEX i ON a (id);\nALTER TABLE a ADD CONSTRAINT c CHECK (id IS NOT NULL);",
            "-- no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY i ON invoices (id);",
            "ALTER TABLE invoices ADD CONSTRAINT c CHECK (paid) NOT VALID;\nALTER TABLE invoices VALIDATE CONSTRAINT c;",
            "ALTER TABLE invoices ADD COLUMN paid boolean NOT NULL DEFAULT false CHECK (paid);",
            "ALTER TABLE invoices ADD CONSTRAINT u UNIQUE USING INDEX i;",
            "-- The table has few rows.\n-- squawk-ignore adding-not-nullable-field\nALTER TABLE invoices ALTER COLUMN paid SET NOT NULL;",
            "ALTER TABLE invoices ENABLE ROW LEVEL SECURITY;",
        ],
        &[
            (
                "\nCREATE INDEX i ON invoices (id);",
                "2: creates an index on an existing table, which blocks other transactions; write CREATE INDEX CONCURRENTLY",
            ),
            (
                "CREATE UNIQUE INDEX IF NOT EXISTS i ON public.invoices (id);",
                "1: creates an index on an existing table",
            ),
            ("CREATE TABLE a (id uuid);\nCREATE INDEX i ON invoices (id);", "2: creates an index on an existing table"),
            ("ALTER TABLE invoices ADD CONSTRAINT c FOREIGN KEY (u) REFERENCES users;", "1: adds a constraint"),
            ("ALTER TABLE invoices ADD CHECK (paid);", "1: adds a constraint to an existing table"),
            ("ALTER TABLE invoices ADD CONSTRAINT u UNIQUE (id);", "1: adds a unique constraint to an existing table"),
            ("ALTER TABLE invoices ALTER COLUMN paid SET NOT NULL;", "1: makes an existing column NOT NULL"),
            ("ALTER TABLE invoices ALTER COLUMN paid TYPE text;", "1: changes the type of an existing column"),
            ("LOCK TABLE invoices;", "1: locks a table"),
        ],
    );
    assert_rule(violations, "migrations/0009_billing.down.sql", &["CREATE INDEX i ON invoices (id);"], &[]);
}
