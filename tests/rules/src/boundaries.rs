//! What a module doesn't do, whatever its manifest would let it.

use proc_macro2::{Delimiter, TokenTree};

use crate::{
    finding::{Finding, assert_none, assert_one},
    sources::{Source, each_list, is_sign, is_word, line, made_up, next_of_path, program, tokens, word},
};

/// The findings in one file of the program.
fn findings(source: &Source) -> Vec<Finding> {
    let path = source.path.as_str();
    // A program of its own, with a command line of its own.
    let is_program = path.starts_with("modules/") && path.ends_with("/src/main.rs");
    let is_module = (path.starts_with("modules/") || path.starts_with("seeds/")) && !is_program;
    let mut rules: Vec<Rule> = vec![statics];
    // A command ends with what it began.
    if !is_program && !path.starts_with("src/cli") {
        rules.push(tasks);
    }
    if is_module {
        rules.extend([actix as Rule, printing]);
    }
    if is_module || (path.starts_with("src/") && !path.starts_with("src/config/")) {
        rules.push(environment);
    }
    if path.starts_with("modules/kernel/src/contracts/") {
        rules.push(input_and_output);
    }
    let mut found = Vec::new();
    each_list(tokens(source), &mut |list| {
        for at in 0..list.len() {
            for rule in &rules {
                if let Some((broke, instead)) = rule(list, at) {
                    found.push(Finding::new(path, line(&list[at]), broke, instead));
                }
            }
        }
    });
    found
}

/// Looks at one token and its neighbours. Says what they break, and what to do instead.
type Rule = fn(&[TokenTree], usize) -> Option<(String, &'static str)>;

/// What of `std::env` isn't the environment.
const NOT_THE_ENVIRONMENT: [&str; 3] = ["consts", "join_paths", "split_paths"];

/// What `std::env` has to read, or to change.
const ENVIRONMENT: [&str; 15] = [
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

fn environment(list: &[TokenTree], at: usize) -> Option<(String, &'static str)> {
    const INSTEAD: &str = "take the value as an argument: only src/config reads the environment, and hands values down";
    if !is_word(list, at, "env") {
        return None;
    }
    let of_std = at >= 3 && is_word(list, at - 3, "std") && is_sign(list, at - 1, ':');
    match next_of_path(list, at) {
        Some(name) if NOT_THE_ENVIRONMENT.contains(&name.as_str()) => None,
        Some(name) if of_std || ENVIRONMENT.contains(&name.as_str()) => {
            Some((format!("it reads the environment by `env::{name}`"), INSTEAD))
        }
        // `use std::env;`, `use std::env::{…}`, and `env` in a list of `use`.
        None if of_std || (is_sign(list, at + 1, ',') && is_word(list, 0, "use")) => {
            Some(("it imports `std::env`, and what is used of it can't be seen".to_owned(), INSTEAD))
        }
        _ => None,
    }
}

fn actix(list: &[TokenTree], at: usize) -> Option<(String, &'static str)> {
    let named = word(list, at).filter(|word| word == "actix" || word.starts_with("actix_"))?;
    Some((format!("it names `{named}`"), "put HTTP into src/http: a module is reached by its contract"))
}

fn printing(list: &[TokenTree], at: usize) -> Option<(String, &'static str)> {
    const INSTEAD: &str = "use `tracing`, or return it: only src/cli prints";
    let name = word(list, at)?;
    let is_macro = ["print", "println", "eprint", "eprintln", "dbg"].contains(&name.as_str());
    if is_macro && is_sign(list, at + 1, '!') {
        return Some((format!("it prints by `{name}!`"), INSTEAD));
    }
    let is_stream = ["stdout", "stderr"].contains(&name.as_str()) && is_group(list, at + 1, Delimiter::Parenthesis);
    // A method of that name is a child process's.
    let is_method = at > 0 && (is_sign(list, at - 1, '.') || is_word(list, at - 1, "fn"));
    (is_stream && !is_method).then(|| (format!("it opens `{name}`"), INSTEAD))
}

/// The types whose values change behind a shared reference.
const CELLS: [&str; 16] = [
    "ArcSwap",
    "Cache",
    "Cell",
    "DashMap",
    "LazyCell",
    "LazyLock",
    "Lazy",
    "Mutex",
    "OnceCell",
    "OnceLock",
    "PgPool",
    "Pool",
    "RefCell",
    "RwLock",
    "SetOnce",
    "UnsafeCell",
];

fn statics(list: &[TokenTree], at: usize) -> Option<(String, &'static str)> {
    const INSTEAD: &str = "make it a component, or hand it down as a value: what is static is constant";
    if is_sign(list, at + 1, '!') && ["thread_local", "lazy_static"].iter().any(|name| is_word(list, at, name)) {
        return Some(("it holds state in a static".to_owned(), INSTEAD));
    }
    if !is_word(list, at, "static") || (at > 0 && is_sign(list, at - 1, '\'')) {
        return None;
    }
    let until = |token: &&TokenTree| !matches!(token, TokenTree::Punct(sign) if [';', '='].contains(&sign.as_char()));
    let declared: Vec<TokenTree> = list[at + 1..].iter().take_while(until).cloned().collect();
    let mut changes = is_word(&declared, 0, "mut");
    each_list(declared.into_iter().collect(), &mut |list| {
        changes |= (0..list.len())
            .filter_map(|at| word(list, at))
            .any(|name| CELLS.contains(&name.as_str()) || name.starts_with("Atomic"));
    });
    changes.then(|| ("it holds state in a static".to_owned(), INSTEAD))
}

/// A task or thread whose handle is let go of at once: nobody learns how it ends, and nobody waits for it.
fn tasks(list: &[TokenTree], at: usize) -> Option<(String, &'static str)> {
    let names = ["spawn", "spawn_blocking", "spawn_local"];
    let name = word(list, at).filter(|name| names.contains(&name.as_str()))?;
    let called = at > 0 && (is_sign(list, at - 1, ':') || is_sign(list, at - 1, '.'));
    if !called || !is_group(list, at + 1, Delimiter::Parenthesis) {
        return None;
    }
    let mut end = at + 2;
    while is_sign(list, end, '?') {
        end += 1;
    }
    let begin = (0..at).rev().find(|&at| is_sign(list, at, ';') || is_group(list, at, Delimiter::Brace));
    let statement = &list[begin.map_or(0, |at| at + 1)..at];
    let named = is_word(statement, 0, "let") && !word(statement, 1).is_none_or(|name| name.starts_with('_'));
    let kept = named || is_word(statement, 0, "return") || (!is_word(statement, 0, "let") && has_assignment(statement));
    (is_sign(list, end, ';') && !kept).then(|| {
        let instead = "await its handle, or keep it where its end is noticed, as modules/kernel/src/db/pool.rs does";
        (format!("nobody supervises what `{name}` starts"), instead)
    })
}

fn has_assignment(statement: &[TokenTree]) -> bool {
    (0..statement.len()).any(|at| is_sign(statement, at, '='))
}

/// `std`'s rooms with doors to the outside.
const DOORS: [&str; 5] = ["fs", "io", "os", "process", "thread"];

fn input_and_output(list: &[TokenTree], at: usize) -> Option<(String, &'static str)> {
    const INSTEAD: &str = "contracts say what there is, and do no I/O: implement it in a module or in kernel::db";
    let name = word(list, at)?;
    let next = next_of_path(list, at);
    let broke = match (name.as_str(), next.as_deref()) {
        ("tokio" | "reqwest" | "ureq" | "embedded_postgres", _) => format!("a contract names `{name}`"),
        ("sqlx", Some("Type")) => return None,
        ("sqlx", Some(item)) => format!("a contract names `sqlx::{item}`"),
        ("std", Some(room)) if DOORS.contains(&room) => format!("a contract names `std::{room}`"),
        ("net", Some(item)) if !item.starts_with("Ip") => format!("a contract names `std::net::{item}`"),
        ("execute" | "fetch_one" | "fetch_all" | "fetch_optional", _) if at > 0 && is_sign(list, at - 1, '.') => {
            format!("a contract sends a statement by `{name}`")
        }
        _ => return None,
    };
    Some((broke, INSTEAD))
}

fn is_group(list: &[TokenTree], at: usize, delimiter: Delimiter) -> bool {
    matches!(list.get(at), Some(TokenTree::Group(group)) if group.delimiter() == delimiter)
}

#[test]
fn the_program_keeps_to_its_boundaries() {
    let program = program();
    assert!(program.len() > 100, "only {} files were found", program.len());
    assert_none(&program.iter().flat_map(findings).collect::<Vec<_>>());
}

#[track_caller]
fn refused(path: &str, text: &str, beginning: &str) {
    assert_one(&findings(&made_up(path, text)), beginning);
}

#[track_caller]
fn accepted(path: &str, text: &str) {
    assert_none(&findings(&made_up(path, text)));
}

const MODULE: &str = "modules/user/src/profiles.rs";

#[test]
fn a_module_that_reads_the_environment_is_refused() {
    refused(
        MODULE,
        "fn f() {\n  std::env::var(\"HOME\");\n}",
        "modules/user/src/profiles.rs:2: it reads the environment",
    );
    refused(MODULE, "fn f() { log!(env::args()); }", "modules/user/src/profiles.rs:1: it reads the environment");
    refused(MODULE, "use std::env;", "modules/user/src/profiles.rs:1: it imports `std::env`");
    refused("src/http/scope.rs", "fn f() { std::env::temp_dir(); }", "src/http/scope.rs:1: it reads the environment");
    accepted("src/config/load.rs", "fn f() { std::env::vars_os(); }");
    accepted(MODULE, "fn f(path: &OsStr) { std::env::split_paths(path); env!(\"CARGO_PKG_VERSION\"); }");
    accepted(MODULE, "#[cfg(test)]\nmod tests { fn f() { std::env::temp_dir(); } }");
}

#[test]
fn a_module_that_names_actix_is_refused() {
    refused(MODULE, "use actix_web::web;", "modules/user/src/profiles.rs:1: it names `actix_web`");
    refused("seeds/src/lib.rs", "fn f() { go!(actix_rt::spawn) }", "seeds/src/lib.rs:1: it names `actix_rt`");
    accepted("src/http/scope.rs", "use actix_web::web;");
}

#[test]
fn a_module_that_prints_is_refused() {
    refused(
        MODULE,
        "fn f() {\n\n  println!(\"so far\");\n}",
        "modules/user/src/profiles.rs:3: it prints by `println!`",
    );
    refused(
        MODULE,
        "fn f() { writeln!(io::stderr(), \"so far\"); }",
        "modules/user/src/profiles.rs:1: it opens `stderr`",
    );
    accepted(MODULE, "/// println!(\"shown\");\nfn f(c: Command) { c.stdout(Stdio::null()); }");
}

#[test]
fn a_static_that_changes_is_refused() {
    let beginning = "modules/user/src/profiles.rs:1: it holds state in a static";
    refused(MODULE, "static POOL: OnceLock<PgPool> = OnceLock::new();", beginning);
    refused(MODULE, "fn f() { static SEEN: std::sync::atomic::AtomicU64 = AtomicU64::new(0); }", beginning);
    refused(MODULE, "static mut SEEN: u64 = 0;", beginning);
    refused(MODULE, "thread_local! { static SEEN: u64 = 0; }", beginning);
    refused("src/cli.rs", "static LAST: [Mutex<u8>; 2] = [A, B];", "src/cli.rs:1: it holds state in a static");
    accepted(MODULE, "static NAMES: [&'static str; 1] = [\"user\"]; fn f(_: &'static Mutex<u8>) {}");
}

#[test]
fn a_task_that_nobody_waits_for_is_refused() {
    let beginning = "modules/user/src/profiles.rs:1: nobody supervises what `spawn` starts";
    refused(MODULE, "fn f() { tokio::spawn(work()); }", beginning);
    refused(MODULE, "fn f() { let _ = tokio::spawn(work()); }", beginning);
    refused(MODULE, "fn f() { let _task = self.runtime.spawn(work()); }", beginning);
    refused(MODULE, "fn f() { select! { _ = a => { std::thread::spawn(work); } } }", beginning);
    accepted(MODULE, "async fn f() { let task = tokio::spawn(work()); task.await; }");
    accepted(MODULE, "async fn f() { tokio::spawn(work()).await; ended(tokio::spawn(work())); }");
    accepted(MODULE, "fn f() -> JoinHandle<()> { begin(); tokio::spawn(work()) }");
    accepted(
        MODULE,
        "fn f(&mut self) { self.opening = Some(tokio::spawn(work())); self.opening = tokio::spawn(work()); }",
    );
}

#[test]
fn a_contract_that_does_input_or_output_is_refused() {
    let contract = "modules/kernel/src/contracts/user.rs";
    for (text, broke) in [
        ("use tokio::fs::File;", "a contract names `tokio`"),
        ("fn f() { std::fs::read(\"x\"); }", "a contract names `std::fs`"),
        ("fn f() { sqlx::query!(\"SELECT 1\"); }", "a contract names `sqlx::query`"),
        ("use std::net::TcpStream;", "a contract names `std::net::TcpStream`"),
        ("async fn f(q: Query) { q.fetch_one(tx).await; }", "a contract sends a statement by `fetch_one`"),
    ] {
        refused(contract, text, &format!("modules/kernel/src/contracts/user.rs:1: {broke}"));
    }
    accepted(contract, "use std::net::IpAddr;\n#[derive(sqlx::Type)]\n#[sqlx(transparent)]\nstruct Email(String);");
    accepted("modules/kernel/src/db/pool.rs", "use tokio::fs::File;");
}
