//! Transactions that are open during work that isn't SQL: hashing, sleeping, requests to other services. The transaction
//! would occupy a connection, and perhaps locks, for that time.
//!
//! A transaction is open from a call of `begin…` to `commit`, or to the end of the block; and in an async function that
//! takes one as an argument. Slow work in a function that is called there isn't found; PostgreSQL ends such transactions
//! after a timeout.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::{
    commits::takes_transaction,
    sources::{Source, for_each_token_list, is_group, is_ident, is_punct, line, word},
    violation::Violation,
};

/// Functions and methods that take long, or wait for something other than the database.
const SLOW: [&str; 12] = [
    "acquire",
    "connect",
    "enqueue",
    "hash",
    "recv",
    "run_blocking",
    "send",
    "sleep",
    "sleep_until",
    "spawn_blocking",
    "verify",
    "wait",
];

pub(super) fn violations(source: &Source, stream: TokenStream) -> Vec<Violation> {
    let is_business = source.path.starts_with("modules/")
        && !["modules/db/", "modules/embedded-postgres/"].iter().any(|path| source.path.starts_with(path));
    // Nothing waits for the transaction that inserts the demo data.
    let is_seed = source.path.ends_with("/seed.rs");
    if is_seed || (!is_business && !source.path.starts_with("src/http/")) {
        return Vec::new();
    }
    let mut violations = Vec::new();
    for_each_token_list(stream, &mut |list| {
        for at in 0..list.len() {
            let open = if is_call(list, at, |name| name.starts_with("begin")) {
                let variable = bound_variable(list, at);
                let is_end = |end: &usize| {
                    is_call(list, *end, |name| name == "commit") || is_drop_of(list, *end, variable.as_deref())
                };
                let end = (at..list.len()).find(is_end).unwrap_or(list.len());
                list[at + 2..end].to_vec()
            } else if is_ident(list, at, "async") && is_ident(list, at + 1, "fn") {
                body_with_transaction(list, at)
            } else {
                continue;
            };
            for_each_token_list(open.into_iter().collect(), &mut |list| {
                for at in (0..list.len()).filter(|at| is_call(list, *at, |name| SLOW.contains(&name))) {
                    let name = word(list, at).unwrap_or_default();
                    let problem = format!("a transaction is open during `{name}`, which isn't SQL");
                    let help =
                        "do the slow work before `begin` or after `commit`, as modules/auth/src/accounts.rs does";
                    violations.push(Violation::new(&source.path, line(&list[at]), problem, help));
                }
            });
        }
    });
    violations.sort();
    violations.dedup();
    violations
}

/// Whether a function or method with such a name is called at this index. A declaration isn't a call.
fn is_call(list: &[TokenTree], at: usize, is_meant: impl Fn(&str) -> bool) -> bool {
    let is_named = word(list, at).is_some_and(|name| is_meant(&name));
    let is_declared = at > 0 && is_ident(list, at - 1, "fn");
    is_named && is_group(list, at + 1, Delimiter::Parenthesis) && !is_declared
}

/// Returns the variable of the `let` statement that contains this index.
fn bound_variable(list: &[TokenTree], at: usize) -> Option<String> {
    let begin = (0..at).rev().find(|at| is_punct(list, *at, ';')).map_or(0, |at| at + 1);
    let variable = begin + 1 + usize::from(is_ident(list, begin + 1, "mut"));
    word(list, variable).filter(|_| is_ident(list, begin, "let"))
}

/// Whether this variable is passed to `drop` at this index.
fn is_drop_of(list: &[TokenTree], at: usize, variable: Option<&str>) -> bool {
    let argument = match list.get(at + 1) {
        Some(TokenTree::Group(group)) => group.stream().to_string(),
        _ => return false,
    };
    is_call(list, at, |name| name == "drop") && Some(argument.as_str()) == variable
}

/// Returns the body of the function at this index if it takes a transaction.
fn body_with_transaction(list: &[TokenTree], at: usize) -> Vec<TokenTree> {
    let end = (at..list.len()).find(|end| is_punct(list, *end, ';') || is_group(list, *end, Delimiter::Brace));
    let takes_one = takes_transaction(&list[at..end.unwrap_or(list.len())]);
    end.filter(|_| takes_one).map(|end| vec![list[end].clone()]).unwrap_or_default()
}
