//! Every transaction that writes is committed. One that is dropped is rolled back, and its function returns success.
//!
//! A function writes if it contains a statement that does, or passes a transaction to a function of the crate that
//! writes. Functions are identified by their names. Writes through another crate aren't found.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenTree};

use crate::{
    sources::{
        Source, fake_source, for_each_token_list, is_group, is_ident, is_punct, line, program_sources, tokens, word,
    },
    sql::{is_write, statements},
    violation::{Violation, assert_no_violations, assert_one_violation},
};

/// A function with a body.
#[derive(Debug)]
struct Function {
    crate_dir: String,
    file: String,
    name: String,
    first_line: usize,
    last_line: usize,
    /// Whether a parameter is a transaction.
    takes_transaction: bool,
    /// The names of the functions and methods that it calls.
    calls: BTreeSet<String>,
}

impl Function {
    fn commits(&self) -> bool {
        self.calls.contains("commit") || self.calls.contains("commit_unaudited")
    }

    /// Whether it begins a transaction and doesn't return it.
    fn begins(&self) -> bool {
        !self.name.starts_with("begin") && self.calls.iter().any(|name| name.starts_with("begin"))
    }
}

/// Returns the functions of a file.
fn functions(source: &Source) -> Vec<Function> {
    let crate_dir = source.path.split("/src/").next().unwrap_or_default();
    let mut functions = Vec::new();
    for_each_token_list(tokens(source), &mut |list| {
        for at in (0..list.len()).filter(|at| is_ident(list, *at, "fn")) {
            let end = (at..list.len()).find(|end| is_punct(list, *end, ';') || is_group(list, *end, Delimiter::Brace));
            let (Some(name), Some(TokenTree::Group(body))) = (word(list, at + 1), end.and_then(|end| list.get(end)))
            else {
                continue;
            };
            let mut calls = BTreeSet::new();
            for_each_token_list(body.stream(), &mut |list| {
                let called = (0..list.len()).filter(|at| is_group(list, at + 1, Delimiter::Parenthesis));
                calls.extend(called.filter_map(|at| word(list, at)));
            });
            functions.push(Function {
                crate_dir: crate_dir.to_owned(),
                file: source.path.clone(),
                name,
                first_line: line(&list[at]),
                last_line: body.span_close().start().line,
                takes_transaction: takes_transaction(&list[at..end.unwrap_or(at)]),
                calls,
            });
        }
    });
    functions
}

/// Returns whether a parameter in the signature is a transaction: `TenantTx`, `GuardedTx`, `GuardedChange` and others.
pub(crate) fn takes_transaction(signature: &[TokenTree]) -> bool {
    let is_transaction = |token: &TokenTree| matches!(token, TokenTree::Ident(name) if name.to_string().ends_with("Tx") || name == "GuardedChange");
    signature.iter().any(|token| match token {
        TokenTree::Group(group) => group.stream().into_iter().any(|token| is_transaction(&token)),
        _ => false,
    })
}

fn violations(sources: &[Source]) -> Vec<Violation> {
    // The module `db` itself implements transactions.
    let sources = || sources.iter().filter(|source| !source.path.starts_with("modules/db/"));
    let functions: Vec<Function> = sources().flat_map(functions).collect();
    let writes: Vec<_> = sources().flat_map(statements).filter(|statement| is_write(&statement.sql)).collect();
    let contains_write = |function: &Function| {
        let lines = function.first_line..=function.last_line;
        writes.iter().any(|write| write.file == function.file && lines.contains(&write.line))
    };
    let mut writers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    loop {
        let before: usize = writers.values().map(BTreeSet::len).sum();
        for function in &functions {
            let writers = writers.entry(&function.crate_dir).or_default();
            let calls_writer = || function.calls.iter().any(|name| writers.contains(name.as_str()));
            if function.takes_transaction && (contains_write(function) || calls_writer()) {
                writers.insert(&function.name);
            }
        }
        if before == writers.values().map(BTreeSet::len).sum::<usize>() {
            break;
        }
    }
    let is_uncommitted = |function: &&Function| {
        let writers = &writers[function.crate_dir.as_str()];
        let calls_writer = || function.calls.iter().any(|name| writers.contains(name.as_str()));
        function.begins() && !function.commits() && (contains_write(function) || calls_writer())
    };
    let violation = |function: &Function| {
        let problem = format!("`{}` begins a transaction, writes, and doesn't commit", function.name);
        let help = "call `commit` on the transaction or the GuardedChange; without it, all is rolled back";
        Violation::new(&function.file, function.first_line, problem, help)
    };
    functions.iter().filter(is_uncommitted).map(violation).collect()
}

#[test]
fn writing_transactions_are_committed() {
    let sources = program_sources();
    let committing = sources.iter().flat_map(functions).filter(|one| one.begins() && one.commits());
    assert!(committing.count() > 15, "too few functions that commit are recognized");
    assert_no_violations(&violations(&sources));
}

#[test]
fn uncommitted_write_is_rejected() {
    let with = |service: &str| {
        let store = "async fn rename(tx: &mut TenantTx) { sqlx::query!(\"UPDATE notes SET name = $1\"); }
                     async fn helper(tx: &mut TenantTx) { rename(tx).await; }
                     async fn read(tx: &mut TenantTx) { sqlx::query!(\"SELECT name FROM notes\"); }";
        violations(&[
            fake_source("modules/notes/src/store.rs", store),
            fake_source("modules/notes/src/service.rs", service),
            fake_source(
                "modules/other/src/store.rs",
                "fn read(tx: &mut TenantTx) { sqlx::query!(\"DELETE FROM a\"); }",
            ),
        ])
    };
    for accepted in [
        "async fn f() { let mut tx = db.begin(scope).await?; rename(&mut tx).await?; tx.commit(NoteRenamed { note }).await }",
        "async fn f() { let mut tx = db.begin(scope).await?; rename(&mut tx).await?; tx.commit_unaudited(reason).await }",
        "async fn f() { let mut tx = db.begin(scope).await?; read(&mut tx).await }",
        "async fn f(tx: &mut TenantTx) { rename(tx).await }",
    ] {
        assert_no_violations(&with(accepted));
    }
    for rejected in [
        "async fn f() { let mut tx = db.begin(scope).await?; rename(&mut tx).await }",
        "async fn f() { let mut tx = db.begin(scope).await?; store::helper(&mut tx).await }",
        "async fn f() { let mut change = GuardedChange::begin(&*self.database, permit).await?; rename(change.tx()).await }",
        "async fn f() { let mut tx = system.begin_for_tenant(reason).await?; sqlx::query!(\"DELETE FROM notes\"); }",
    ] {
        assert_one_violation(
            &with(rejected),
            "modules/notes/src/service.rs:1: `f` begins a transaction, writes, and doesn't commit; call `commit`",
        );
    }
}
