//! What modules must not do, even if their dependencies permit it: read the environment, print, hold state in
//! statics, or start tasks that weren't reviewed. The kernel and the api crates must not do I/O. Requests do no I/O but
//! SQL, never block a thread, and hold no transaction while they wait for something else. Routes are registered in one
//! place.
//!
//! Paths are resolved with the imports of the file ([`PathResolver`]), so renamed imports are found. Names that another
//! file re-exports or a macro creates aren't found. `clippy.toml` also bans access to the environment by resolved path,
//! and a module can't use crates that its manifest doesn't list.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenTree};

use crate::{
    path_resolution::PathResolver,
    sources::{Source, for_each_token_list, is_group, is_ident, is_punct, line, tokens, word},
    violation::{Message, Violation},
};

mod blocking;
mod routes;
mod slow_transactions;
mod spawns;
mod statics;
#[cfg(test)]
mod tests;

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
        token_rules.push(printing);
    }
    if is_module || (path.starts_with("src/") && !path.starts_with("src/config/")) {
        path_rules.push(environment);
        token_rules.push(build_environment);
    }
    if blocking::serves_requests(path) {
        path_rules.push(blocking::io);
    }
    // The rest of `src/http` measures how long a request takes.
    if blocking::serves_requests(path) && (is_module || path.starts_with("src/http/handlers/")) {
        path_rules.push(machine_clock);
    }
    if path.starts_with("src/") && !routes::FILES.contains(&path) {
        path_rules.push(routes::registration);
        token_rules.push(routes::attribute);
    }
    let is_api = path.starts_with("modules/") && path.contains("/api/src/");
    if is_api || path.starts_with("modules/kernel/") {
        path_rules.push(io_path);
        token_rules.push(io_token);
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
            // Standard output belongs to the process, and so does the first error of writing to it.
            let may_have_state = path == "src/cli/output.rs";
            let declared_static = statics::declared_static(list, at, &resolver).filter(|_| !may_have_state);
            let messages = token_rules.iter().filter_map(|rule| rule(list, at)).chain(declared_static);
            violations.extend(messages.map(|(problem, help)| Violation::new(path, line(&list[at]), problem, help)));
        }
    });
    violations.extend(slow_transactions::violations(source, stream.clone()));
    // Commands run to completion in the foreground: their tasks end with the process, and nothing else waits.
    if !path.starts_with("src/cli") {
        violations.extend(blocking::in_async_code(source, stream.clone(), &resolver));
        violations.extend(spawns::unreviewed(source, stream, &resolver));
    }
    violations.into_iter().collect()
}

/// Items of `std::env` that don't access the environment.
const ALLOWED_ENV_ITEMS: [&str; 3] = ["consts", "join_paths", "split_paths"];

/// Items of `std::env` that read or change the environment begin with one of these.
const ENV_ACCESS: [&str; 9] = ["args", "current_", "home_dir", "remove_var", "set_", "temp_dir", "var", "Args", "Vars"];

const NO_ENVIRONMENT_HELP: &str = "take the value as an argument; only src/config may read the environment";

/// Crates that read configuration.
const CONFIGURATION_CRATES: [&str; 4] = ["dotenv", "dotenvy", "envy", "figment"];

fn environment(path: &[&str]) -> Option<Message> {
    const HELP: &str = NO_ENVIRONMENT_HELP;
    match path {
        [name, _, ..] if CONFIGURATION_CRATES.contains(name) => {
            Some((format!("reads configuration with `{name}`"), HELP))
        }
        // The crate, not a module of that name.
        ["config", item @ ("Config" | "ConfigBuilder" | "Environment" | "File" | "*"), ..] => {
            Some((format!("reads configuration with `config::{item}`"), HELP))
        }
        ["std" | "core", "option_env"] | ["core", "env"] => {
            Some(("reads the environment of the build".to_owned(), HELP))
        }
        ["std", "env", "*"] | ["std", "env"] | ["std", "*"] => {
            Some(("imports all of `std::env`, so its use can't be checked".to_owned(), HELP))
        }
        ["std", "env", name, ..] if ALLOWED_ENV_ITEMS.contains(name) => None,
        // Without `std` if a parent module imports it.
        ["std", "env", name, ..] | ["env", name, ..]
            if path[0] == "std" || ENV_ACCESS.iter().any(|known| name.starts_with(known)) =>
        {
            Some((format!("reads the environment with `env::{name}`"), HELP))
        }
        _ => None,
    }
}

/// Finds macros that read the environment of the build, except for what cargo sets itself.
fn build_environment(list: &[TokenTree], at: usize) -> Option<Message> {
    let is_path = at > 0 && is_punct(list, at - 1, ':');
    let name = word(list, at).filter(|name| !is_path && ["env", "option_env"].contains(&name.as_str()))?;
    let TokenTree::Group(arguments) = list.get(at + 2).filter(|_| is_punct(list, at + 1, '!'))? else { return None };
    let is_set_by_cargo = arguments.stream().to_string().starts_with("\"CARGO_");
    (!is_set_by_cargo).then(|| (format!("reads the environment of the build with `{name}!`"), NO_ENVIRONMENT_HELP))
}

/// Finds clocks that tests can't replace. `clippy.toml` bans those of the wall-clock time everywhere.
fn machine_clock(path: &[&str]) -> Option<Message> {
    const TYPES: [&str; 6] = ["Instant", "Local", "SystemTime", "Timestamp", "Utc", "Zoned"];
    let is_clock = match path {
        [.., name, "now"] => TYPES.contains(name),
        [.., "SystemTime" | "Instant", "elapsed"] | [.., "OffsetDateTime", "now_local"] => true,
        _ => false,
    };
    is_clock.then(|| ("reads the machine's clock".to_owned(), "inject kernel::Clock, which tests can replace"))
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

/// Crates that do I/O.
const IO_CRATES: [&str; 4] = ["embedded_postgres", "reqwest", "tokio", "ureq"];

/// The items of `db` that an interface may name.
const DB_TYPES: [&str; 7] = ["DbError", "Reader", "SystemTx", "TenantReader", "TenantTx", "Tx", "UserTx"];

const NO_IO_HELP: &str = "the kernel and the api crates do no I/O; move it to the src of a module or to modules/db";

fn io_path(path: &[&str]) -> Option<Message> {
    let item = match path {
        // Without `std` if a parent module imports it.
        ["std", module, ..] | [module, _, ..] if IO_MODULES.contains(module) => format!("std::{module}"),
        ["std", "net", item, ..] | ["net", item, ..] if !item.starts_with("Ip") => format!("std::net::{item}"),
        ["sqlx", item, ..] if *item != "Type" => format!("sqlx::{item}"),
        ["db", item, ..] if !DB_TYPES.contains(item) => format!("db::{item}"),
        ["tokio", "sync", "OnceCell", ..] => return None,
        [name, ..] if IO_CRATES.contains(name) => (*name).to_owned(),
        _ => return None,
    };
    Some((format!("uses `{item}`"), NO_IO_HELP))
}

fn io_token(list: &[TokenTree], at: usize) -> Option<Message> {
    let name = word(list, at).filter(|_| at > 0 && is_punct(list, at - 1, '.'))?;
    let executes = ["execute", "fetch_one", "fetch_all", "fetch_optional"].contains(&name.as_str());
    executes.then(|| (format!("executes a statement with `{name}`"), NO_IO_HELP))
}
