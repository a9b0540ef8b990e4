//! What modules must not do, even if their dependencies permit it: read the environment, print, use actix, hold state
//! in statics, or detach tasks. Contracts must not do I/O.
//!
//! Paths are resolved with the imports of the file ([`PathResolver`]), so renamed imports are found. Names that another
//! file re-exports or a macro creates aren't found. `clippy.toml` also bans access to the environment by resolved path,
//! and a module can't use crates that its manifest doesn't list.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenTree};

use crate::{
    path_resolution::PathResolver,
    sources::{Source, for_each_token_list, is_ident, is_punct, line, tokens, word},
    violation::Violation,
};

mod statics;
mod tasks;
#[cfg(test)]
mod tests;

/// The problem, and what to do instead.
type Message = (String, &'static str);

/// Checks a resolved path.
type PathRule = fn(&[&str]) -> Option<Message>;

/// Checks the token at an index of a list.
type TokenRule = fn(&[TokenTree], usize) -> Option<Message>;

/// Checks one file of the program.
fn violations(source: &Source) -> Vec<Violation> {
    let path = source.path.as_str();
    // A separate program with its own command line.
    let is_program = path.starts_with("modules/") && path.ends_with("/src/main.rs");
    let is_module = (path.starts_with("modules/") || path.starts_with("seeds/")) && !is_program;
    let mut path_rules: Vec<PathRule> = vec![statics::static_macro];
    let mut token_rules: Vec<TokenRule> = Vec::new();
    if is_module {
        path_rules.push(streams);
        token_rules.extend([actix as TokenRule, printing]);
    }
    if is_module || (path.starts_with("src/") && !path.starts_with("src/config/")) {
        path_rules.push(environment);
    }
    if path.starts_with("modules/kernel/src/contracts/") {
        path_rules.push(contract_io_path);
        token_rules.push(contract_io_token);
    }
    let stream = tokens(source);
    let resolver = PathResolver::of(stream.clone());
    let mut violations = BTreeSet::new();
    for resolved in &resolver.paths {
        let path: Vec<&str> = resolved.path.iter().map(String::as_str).collect();
        let messages = path_rules.iter().filter_map(|rule| rule(&path));
        violations.extend(messages.map(|(problem, help)| Violation::new(&source.path, resolved.line, problem, help)));
    }
    for_each_token_list(stream.clone(), &mut |list| {
        for at in 0..list.len() {
            let messages = token_rules
                .iter()
                .filter_map(|rule| rule(list, at))
                .chain(statics::declared_static(list, at, &resolver));
            violations.extend(messages.map(|(problem, help)| Violation::new(path, line(&list[at]), problem, help)));
        }
    });
    // Commands run to completion in the foreground, so their tasks end with the process.
    if !is_program && !path.starts_with("src/cli") {
        tasks::detached_tasks(stream, &resolver, &mut |line, (problem, help)| {
            violations.insert(Violation::new(path, line, problem, help));
        });
    }
    violations.into_iter().collect()
}

/// Items of `std::env` that don't access the environment.
const ALLOWED_ENV_ITEMS: [&str; 3] = ["consts", "join_paths", "split_paths"];

/// Items of `std::env` that read or change the environment.
const ENV_ACCESS_ITEMS: [&str; 15] = [
    "args",
    "args_os",
    "current_dir",
    "current_exe",
    "home_dir",
    "remove_var",
    "set_current_dir",
    "set_var",
    "temp_dir",
    "var",
    "var_os",
    "vars",
    "vars_os",
    "Args",
    "Vars",
];

fn environment(path: &[&str]) -> Option<Message> {
    const HELP: &str = "take the value as an argument; only src/config may read the environment";
    match path {
        ["std", "env", "*"] | ["std", "env"] | ["std", "*"] => {
            Some(("imports all of `std::env`, so its use can't be checked".to_owned(), HELP))
        }
        ["std", "env", name, ..] if ALLOWED_ENV_ITEMS.contains(name) => None,
        ["std", "env", name, ..] => Some((format!("reads the environment with `env::{name}`"), HELP)),
        // `env` imported by a parent module.
        ["env", name, ..] if ENV_ACCESS_ITEMS.contains(name) => {
            Some((format!("reads the environment with `env::{name}`"), HELP))
        }
        _ => None,
    }
}

fn actix(list: &[TokenTree], at: usize) -> Option<Message> {
    let named = word(list, at).filter(|word| word == "actix" || word.starts_with("actix_"))?;
    Some((format!("uses `{named}`"), "move HTTP code to src/http; modules are called through their contracts"))
}

/// Macros that write to standard output or standard error.
const PRINT_MACROS: [&str; 5] = ["print", "println", "eprint", "eprintln", "dbg"];

const NO_PRINTING_HELP: &str = "use `tracing`, or return the text; only src/cli prints";

fn streams(path: &[&str]) -> Option<Message> {
    match path {
        [.., "io", stream @ ("stdout" | "stderr")] => Some((format!("opens `{stream}`"), NO_PRINTING_HELP)),
        ["std", name] if PRINT_MACROS.contains(name) => Some((format!("prints with `{name}!`"), NO_PRINTING_HELP)),
        _ => None,
    }
}

fn printing(list: &[TokenTree], at: usize) -> Option<Message> {
    let name = word(list, at)?;
    if PRINT_MACROS.contains(&name.as_str()) && is_punct(list, at + 1, '!') {
        return Some((format!("prints with `{name}!`"), NO_PRINTING_HELP));
    }
    let is_stream = ["stdout", "stderr"].contains(&name.as_str()) && is_group(list, at + 1, Delimiter::Parenthesis);
    // A method of this name belongs to a child process. Defining such a function prints nothing.
    let is_method = at > 0 && (is_punct(list, at - 1, '.') || is_ident(list, at - 1, "fn"));
    (is_stream && !is_method).then(|| (format!("opens `{name}`"), NO_PRINTING_HELP))
}

/// Modules of `std` that do I/O or start processes and threads.
const IO_MODULES: [&str; 5] = ["fs", "io", "os", "process", "thread"];

const NO_IO_HELP: &str = "contracts only declare interfaces and types; implement I/O in a module or in kernel::db";

fn contract_io_path(path: &[&str]) -> Option<Message> {
    let problem = match path {
        ["std", module, ..] if IO_MODULES.contains(module) => format!("a contract uses `std::{module}`"),
        // Imported by a parent module.
        [module, _, ..] if IO_MODULES.contains(module) => format!("a contract uses `std::{module}`"),
        ["std", "net", item, ..] | ["net", item, ..] if !item.starts_with("Ip") => {
            format!("a contract uses `std::net::{item}`")
        }
        ["sqlx", item, ..] if *item != "Type" => format!("a contract uses `sqlx::{item}`"),
        _ => return None,
    };
    Some((problem, NO_IO_HELP))
}

fn contract_io_token(list: &[TokenTree], at: usize) -> Option<Message> {
    let name = word(list, at)?;
    let problem = match name.as_str() {
        "tokio" | "reqwest" | "ureq" | "embedded_postgres" => format!("a contract uses `{name}`"),
        "execute" | "fetch_one" | "fetch_all" | "fetch_optional" if at > 0 && is_punct(list, at - 1, '.') => {
            format!("a contract executes a statement with `{name}`")
        }
        _ => return None,
    };
    Some((problem, NO_IO_HELP))
}

fn is_group(list: &[TokenTree], at: usize, delimiter: Delimiter) -> bool {
    matches!(list.get(at), Some(TokenTree::Group(group)) if group.delimiter() == delimiter)
}
