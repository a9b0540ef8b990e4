//! What a module doesn't do, whatever its manifest would let it.
//!
//! Names are written out by what the file imports ([`Names`]), so it doesn't matter how something is imported or what it is
//! called. Nothing is known of a name that another file exports anew, nor of one that a macro makes: `clippy.toml` bans the
//! environment by its types as well, and what a module's manifest doesn't name it can't have.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenTree};

use crate::{
    finding::Finding,
    names::Names,
    sources::{Source, each_list, is_sign, is_word, line, tokens, word},
};

mod statics;
mod tasks;
#[cfg(test)]
mod tests;

/// What is broken, and what to do instead.
type Broken = (String, &'static str);

/// Looks at a path, written out.
type NameRule = fn(&[&str]) -> Option<Broken>;

/// Looks at one token and its neighbours.
type Rule = fn(&[TokenTree], usize) -> Option<Broken>;

/// The findings in one file of the program.
fn findings(source: &Source) -> Vec<Finding> {
    let path = source.path.as_str();
    // A program of its own, with a command line of its own.
    let is_program = path.starts_with("modules/") && path.ends_with("/src/main.rs");
    let is_module = (path.starts_with("modules/") || path.starts_with("seeds/")) && !is_program;
    let mut name_rules: Vec<NameRule> = vec![statics::made_by_macros];
    let mut rules: Vec<Rule> = Vec::new();
    if is_module {
        name_rules.push(streams);
        rules.extend([actix as Rule, printing]);
    }
    if is_module || (path.starts_with("src/") && !path.starts_with("src/config/")) {
        name_rules.push(environment);
    }
    if path.starts_with("modules/kernel/src/contracts/") {
        name_rules.push(input_and_output);
        rules.push(sending);
    }
    let stream = tokens(source);
    let names = Names::of(stream.clone());
    let mut found = BTreeSet::new();
    for said in &names.said {
        let path: Vec<&str> = said.path.iter().map(String::as_str).collect();
        let broken = name_rules.iter().filter_map(|rule| rule(&path));
        found.extend(broken.map(|(broke, instead)| Finding::new(&source.path, said.line, broke, instead)));
    }
    each_list(stream.clone(), &mut |list| {
        for at in 0..list.len() {
            let broken = rules.iter().filter_map(|rule| rule(list, at)).chain(statics::declared(list, at, &names));
            found.extend(broken.map(|(broke, instead)| Finding::new(path, line(&list[at]), broke, instead)));
        }
    });
    // A command ends with what it began.
    if !is_program && !path.starts_with("src/cli") {
        tasks::unsupervised(stream, &names, &mut |line, (broke, instead)| {
            found.insert(Finding::new(path, line, broke, instead));
        });
    }
    found.into_iter().collect()
}

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

fn environment(path: &[&str]) -> Option<Broken> {
    const INSTEAD: &str = "take the value as an argument: only src/config reads the environment, and hands values down";
    match path {
        ["std", "env", "*"] | ["std", "env"] | ["std", "*"] => {
            Some(("it imports `std::env`, and what is used of it can't be seen".to_owned(), INSTEAD))
        }
        ["std", "env", name, ..] if NOT_THE_ENVIRONMENT.contains(name) => None,
        ["std", "env", name, ..] => Some((format!("it reads the environment by `env::{name}`"), INSTEAD)),
        // What it is given by a parent that imports it.
        ["env", name, ..] if ENVIRONMENT.contains(name) => {
            Some((format!("it reads the environment by `env::{name}`"), INSTEAD))
        }
        _ => None,
    }
}

fn actix(list: &[TokenTree], at: usize) -> Option<Broken> {
    let named = word(list, at).filter(|word| word == "actix" || word.starts_with("actix_"))?;
    Some((format!("it names `{named}`"), "put HTTP into src/http: a module is reached by its contract"))
}

/// What writes to the streams of the process.
const PRINTING: [&str; 5] = ["print", "println", "eprint", "eprintln", "dbg"];

const RETURN_IT: &str = "use `tracing`, or return it: only src/cli prints";

fn streams(path: &[&str]) -> Option<Broken> {
    match path {
        [.., "io", stream @ ("stdout" | "stderr")] => Some((format!("it opens `{stream}`"), RETURN_IT)),
        ["std", name] if PRINTING.contains(name) => Some((format!("it prints by `{name}!`"), RETURN_IT)),
        _ => None,
    }
}

fn printing(list: &[TokenTree], at: usize) -> Option<Broken> {
    let name = word(list, at)?;
    if PRINTING.contains(&name.as_str()) && is_sign(list, at + 1, '!') {
        return Some((format!("it prints by `{name}!`"), RETURN_IT));
    }
    let is_stream = ["stdout", "stderr"].contains(&name.as_str()) && is_group(list, at + 1, Delimiter::Parenthesis);
    // A method of that name is a child process's.
    let is_method = at > 0 && (is_sign(list, at - 1, '.') || is_word(list, at - 1, "fn"));
    (is_stream && !is_method).then(|| (format!("it opens `{name}`"), RETURN_IT))
}

/// `std`'s rooms with doors to the outside.
const DOORS: [&str; 5] = ["fs", "io", "os", "process", "thread"];

const NO_IO: &str = "contracts say what there is, and do no I/O: implement it in a module or in kernel::db";

fn input_and_output(path: &[&str]) -> Option<Broken> {
    let broke = match path {
        ["std", room, ..] if DOORS.contains(room) => format!("a contract names `std::{room}`"),
        // What it is given by a parent that imports it.
        [room, _, ..] if DOORS.contains(room) => format!("a contract names `std::{room}`"),
        ["std", "net", item, ..] | ["net", item, ..] if !item.starts_with("Ip") => {
            format!("a contract names `std::net::{item}`")
        }
        ["sqlx", item, ..] if *item != "Type" => format!("a contract names `sqlx::{item}`"),
        _ => return None,
    };
    Some((broke, NO_IO))
}

fn sending(list: &[TokenTree], at: usize) -> Option<Broken> {
    let name = word(list, at)?;
    let broke = match name.as_str() {
        "tokio" | "reqwest" | "ureq" | "embedded_postgres" => format!("a contract names `{name}`"),
        "execute" | "fetch_one" | "fetch_all" | "fetch_optional" if at > 0 && is_sign(list, at - 1, '.') => {
            format!("a contract sends a statement by `{name}`")
        }
        _ => return None,
    };
    Some((broke, NO_IO))
}

fn is_group(list: &[TokenTree], at: usize, delimiter: Delimiter) -> bool {
    matches!(list.get(at), Some(TokenTree::Group(group)) if group.delimiter() == delimiter)
}
