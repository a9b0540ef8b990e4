//! Statements that block concurrent use of a table for as long as they scan it. squawk (`.ci/check-migrations`) checks
//! more; this rule needs no other program. A table that the same migration creates is empty.

use std::collections::BTreeSet;

use crate::{
    sources::Source,
    sql::{SqlToken, split_at_commas, sql_tokens},
    violation::{Violation, assert_rule},
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
        if !is_accepted && !on_new_table {
            let messages = blocking_statement(&words).into_iter().chain(actions(statement).filter_map(blocking_action));
            let problem = |problem| format!("{problem}, which blocks other transactions");
            violations.extend(messages.map(|(text, help)| Violation::new(&migration.path, line, problem(text), help)));
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

/// Returns the actions of `ALTER TABLE`.
fn actions(statement: &[SqlToken]) -> impl Iterator<Item = Vec<&str>> {
    let words: Vec<&str> = statement.iter().map(|(word, _)| word.as_str()).collect();
    let table = table(&words).filter(|_| words.starts_with(&["alter", "table"]));
    let begin = table.and_then(|table| words.iter().position(|word| *word == table));
    let actions = begin.map(|at| split_at_commas(&statement[at + 1..])).unwrap_or_default();
    actions.into_iter().map(|action| action.iter().map(|(word, _)| word.as_str()).collect())
}

/// What a statement does, and what to write instead.
type Blocking = (&'static str, &'static str);

fn has(words: &[&str], sequence: &[&str]) -> bool {
    words.windows(sequence.len()).any(|window| window == sequence)
}

fn blocking_statement(words: &[&str]) -> Option<Blocking> {
    match words {
        ["create", "index", ..] | ["create", "unique", "index", ..] if !has(words, &["concurrently"]) => Some((
            "creates an index on an existing table",
            "write CREATE INDEX CONCURRENTLY, alone in a migration that begins with -- no-transaction",
        )),
        ["reindex", ..] if !has(words, &["concurrently"]) => {
            Some(("rebuilds an index", "write REINDEX ... CONCURRENTLY"))
        }
        ["cluster", ..] | ["vacuum", "full", ..] => Some(("rewrites a table", "remove it")),
        ["lock", ..] => Some(("locks a table", "remove it; each statement takes the locks that it needs")),
        _ => None,
    }
}

/// Checks one action of `ALTER TABLE`.
fn blocking_action(words: Vec<&str>) -> Option<Blocking> {
    match words.as_slice() {
        ["add", "constraint", _, rest @ ..] | ["add", rest @ ..] => blocking_addition(rest),
        ["alter", rest @ ..] if has(rest, &["set", "not", "null"]) => Some((
            "makes an existing column NOT NULL",
            "add CHECK (column IS NOT NULL) NOT VALID, and validate it in an earlier migration; then accept this with \
             -- squawk-ignore",
        )),
        ["alter", "column", _, "type", ..]
        | ["alter", _, "type", ..]
        | ["alter", "column", _, "set", "data", ..]
        | ["alter", _, "set", "data", ..] => Some((
            "changes the type of an existing column",
            "add a new column, copy the values in batches, and remove the old one later",
        )),
        _ => None,
    }
}

/// Checks what `ALTER TABLE … ADD` adds: a constraint, without its name, or a column.
fn blocking_addition(words: &[&str]) -> Option<Blocking> {
    let has = |sequence: &[&str]| has(words, sequence);
    match words {
        ["check" | "foreign", ..] => (!has(&["not", "valid"])).then_some((
            "adds a constraint to an existing table",
            "add it NOT VALID, and execute VALIDATE CONSTRAINT in the next migration",
        )),
        ["exclude", ..] => Some((
            "adds an exclusion constraint to an existing table",
            "create a new table with it and copy the rows in batches",
        )),
        _ if (has(&["unique"]) || has(&["primary", "key"])) && !has(&["using", "index"]) => Some((
            "adds a unique constraint to an existing table",
            "create a unique index CONCURRENTLY in an earlier migration, and add the constraint USING INDEX",
        )),
        _ if has(&["references"]) || has(&["check"]) => Some((
            "adds a column with a constraint to an existing table",
            "add the column alone, then the constraint NOT VALID, and validate it in the next migration",
        )),
        _ if has(&["stored"]) => Some((
            "adds a generated column to an existing table",
            "add a column without it, and write the values in batches",
        )),
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
            "ALTER TABLE invoices ADD COLUMN paid boolean NOT NULL DEFAULT false, ALTER total SET DEFAULT 0;",
            "ALTER TABLE invoices ADD COLUMN paid boolean, ADD CONSTRAINT c CHECK (paid, total) NOT VALID;",
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
            ("ALTER TABLE invoices ALTER paid TYPE text;", "1: changes the type of an existing column"),
            ("ALTER TABLE invoices ALTER paid SET DATA TYPE text;", "1: changes the type of an existing column"),
            ("ALTER TABLE public.invoices ADD n int UNIQUE;", "1: adds a unique constraint to an existing table"),
            (
                "ALTER TABLE invoices ADD COLUMN n int, ADD CONSTRAINT c CHECK (n > 0);",
                "1: adds a constraint to an existing table",
            ),
            (
                "ALTER TABLE invoices ADD CONSTRAINT c CHECK (n > 0), ADD CONSTRAINT d CHECK (n < 9) NOT VALID;",
                "1: adds a constraint to an existing table",
            ),
            ("ALTER TABLE invoices ADD EXCLUDE (a WITH =);", "1: adds an exclusion constraint to an existing table"),
            ("ALTER TABLE invoices ADD u uuid REFERENCES users;", "1: adds a column with a constraint"),
            ("ALTER TABLE invoices ADD n int GENERATED ALWAYS AS (a) STORED;", "1: adds a generated column"),
            ("LOCK TABLE invoices;", "1: locks a table"),
        ],
    );
    assert_rule(violations, "migrations/0009_billing.down.sql", &["CREATE INDEX i ON invoices (id);"], &[]);
}
