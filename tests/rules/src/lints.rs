//! The lints, and other tools' lists of exceptions: all are on, everywhere, and each exception has a reason.

use proc_macro2::TokenTree;
use toml::{Table, Value};

use crate::{
    finding::{Finding, assert_none, assert_one},
    sources::{Source, each_list, is_sign, line, made_up, names, read, root, rust_below, word},
};

/// What ARCHITECTURE.md counts on, and how strictly at the least. CI makes errors of warnings.
const IN_FORCE: [(&str, &str, &str); 10] = [
    ("rust", "unsafe_code", "forbid"),
    ("rust", "missing_docs", "warn"),
    ("clippy", "allow_attributes_without_reason", "deny"),
    ("clippy", "dbg_macro", "deny"),
    ("clippy", "expect_used", "warn"),
    ("clippy", "print_stderr", "warn"),
    ("clippy", "print_stdout", "warn"),
    ("clippy", "todo", "deny"),
    ("clippy", "unimplemented", "deny"),
    ("clippy", "unwrap_used", "warn"),
];

/// From the mildest on.
const LEVELS: [&str; 4] = ["allow", "warn", "deny", "forbid"];

fn strictness(level: &str) -> usize {
    LEVELS.iter().position(|known| *known == level).unwrap_or(0)
}

pub(crate) fn table(source: &Source) -> Table {
    source.text.parse().unwrap_or_else(|error| panic!("{}: {error}", source.path))
}

/// The line on which a text first stands; 0 where it doesn't.
pub(crate) fn line_of(source: &Source, text: &str) -> usize {
    source.text.lines().position(|line| line.contains(text)).map_or(0, |line| line + 1)
}

/// The root manifest's lints.
fn of_workspace(manifest: &Source) -> Vec<Finding> {
    let lints = table(manifest).get("workspace").and_then(|workspace| workspace.get("lints")).cloned();
    let mut found = Vec::new();
    for (tool, lint, least) in IN_FORCE {
        let level = lints.as_ref().and_then(|lints| lints.get(tool)?.get(lint));
        let level = level.and_then(|level| level.as_str().or_else(|| level.get("level")?.as_str()));
        if strictness(level.unwrap_or("allow")) < strictness(least) {
            let broke = format!("`{tool}::{lint}` is weaker than {least}");
            found.push(Finding::new(
                &manifest.path,
                line_of(manifest, lint),
                broke,
                "put it back under [workspace.lints]",
            ));
        }
    }
    found
}

/// One crate's lints: the workspace's.
fn of_crate(manifest: &Source) -> Vec<Finding> {
    let inherits = table(manifest).get("lints").and_then(|lints| lints.get("workspace")) == Some(&Value::Boolean(true));
    let finding = || {
        let broke = "the crate doesn't have the workspace's lints";
        Finding::new(&manifest.path, line_of(manifest, "[lints]"), broke, "say `[lints] workspace = true`")
    };
    (!inherits).then(finding).into_iter().collect()
}

/// The manifests of the workspace's members.
pub(crate) fn members() -> Vec<Source> {
    let mut found = vec![read("Cargo.toml"), read("seeds/Cargo.toml")];
    for folder in ["modules", "tests", "tools"] {
        let manifests = names(folder).into_iter().map(|name| format!("{folder}/{name}/Cargo.toml"));
        found.extend(manifests.filter(|path| root().join(path).is_file()).map(|path| read(&path)));
    }
    found
}

/// Attributes that switch lints off, in any file.
fn switched_off(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    each_list(source.text.parse().unwrap(), &mut |list| {
        for at in 0..list.len() {
            let name = word(list, at).filter(|name| ["allow", "expect"].contains(&name.as_str()));
            // Within `#[…]` or `cfg_attr(…)`, where it is the first word or follows a comma.
            let Some((_, TokenTree::Group(group))) =
                name.filter(|_| at == 0 || is_sign(list, at - 1, ',')).zip(list.get(at + 1))
            else {
                continue;
            };
            let inside: Vec<TokenTree> = group.stream().into_iter().collect();
            // A macro may take expressions: an attribute's list has lints' names, and its reason behind an `=`.
            let reason = inside.iter().rev().nth(2).is_some_and(|token| token.to_string() == "reason");
            let lints = inside.iter().filter_map(|token| match token {
                TokenTree::Ident(word) => Some(word.to_string()),
                _ => None,
            });
            let lints: Vec<String> = lints.collect();
            let known = ["clippy", "rustdoc"].contains(&lints.first().map_or("", String::as_str)) || is_lint(&lints);
            if !known {
                continue;
            }
            let place = |broke, instead| Finding::new(&source.path, line(&list[at]), broke, instead);
            if lints.iter().any(|lint| lint == "allow_attributes_without_reason" || lint == "unsafe_code") {
                found.push(place("a lint that has no exceptions is switched off", "leave it on"));
            } else if !reason {
                found.push(place("a lint is switched off without a reason", "say `reason = \"…\"`"));
            }
        }
    });
    found
}

/// rustc's lints that somebody may want to switch off.
fn is_lint(words: &[String]) -> bool {
    let first = words.first().map_or("", String::as_str);
    let beginnings =
        ["dead_code", "missing_docs", "non_", "private_", "unexpected_", "unreachable_", "unsafe_", "unused"];
    beginnings.iter().any(|beginning| first.starts_with(beginning)) || first == "warnings" || first == "deprecated"
}

/// Where `deny.toml` makes exceptions.
const EXCEPTIONS: [&str; 6] = ["exceptions", "ignore", "skip", "skip-tree", "allow-git", "clarify"];

/// `deny.toml`: each exception has a comment above it, or a `reason` in it.
fn exceptions(config: &Source) -> Vec<Finding> {
    let lines: Vec<&str> = config.text.lines().map(str::trim).collect();
    let mut found = Vec::new();
    let mut inside = false;
    for (index, text) in lines.iter().enumerate() {
        let opens = EXCEPTIONS.iter().any(|key| {
            let rest = text.strip_prefix(key).map(str::trim_start);
            rest.is_some_and(|rest| rest.starts_with('=')) || text.starts_with("[[licenses.")
        });
        // A list that is written on one line has no place for reasons but that line.
        let entry =
            if opens { text.contains('{') || text.contains('"') } else { inside && text.starts_with(['{', '"']) };
        if opens {
            inside = !text.contains(']') || text.starts_with("[[");
        }
        let reasoned = text.contains("reason =") || (index > 0 && lines[index - 1].starts_with('#'));
        if entry && !reasoned {
            found.push(Finding::new(
                &config.path,
                index + 1,
                "an exception without a reason",
                "say why in the line above it",
            ));
        }
        inside &= !text.starts_with(']');
    }
    found
}

#[test]
fn the_lints_are_in_force_in_every_crate() {
    let members = members();
    assert!(members.len() >= 12, "only {} manifests were found", members.len());
    assert_none(&of_workspace(&members[0]));
    assert_none(&members.iter().flat_map(of_crate).collect::<Vec<_>>());
}

#[test]
fn no_lint_is_switched_off_without_a_reason() {
    let sources: Vec<Source> = ["modules", "seeds", "src", "tests", "tools"].into_iter().flat_map(rust_below).collect();
    assert_none(&sources.iter().flat_map(switched_off).collect::<Vec<_>>());
}

#[test]
fn every_exception_to_what_crates_may_come_in_has_a_reason() {
    assert_none(&exceptions(&read("deny.toml")));
}

#[test]
fn weaker_lints_are_refused() {
    let manifest = read("Cargo.toml");
    let weaker = |from: &str, to: &str| {
        assert!(manifest.text.contains(from));
        of_workspace(&made_up("Cargo.toml", &manifest.text.replace(from, to)))
    };
    let line = line_of(&manifest, "unwrap_used");
    let expected = format!("Cargo.toml:{line}: `clippy::unwrap_used` is weaker than warn");
    assert_one(&weaker("unwrap_used = \"warn\"", "unwrap_used = \"allow\""), &expected);
    assert_one(&weaker("unsafe_code = \"forbid\"", "unsafe_code = \"deny\""), "Cargo.toml:");
    assert_one(&weaker("todo = \"deny\"\n", ""), "Cargo.toml:0: `clippy::todo` is weaker than deny");
    assert_none(&weaker("unwrap_used = \"warn\"", "unwrap_used = { level = \"deny\", priority = 1 }"));
}

#[test]
fn a_crate_with_lints_of_its_own_is_refused() {
    assert_none(&of_crate(&made_up("modules/x/Cargo.toml", "[package]\nname = \"x\"\n[lints]\nworkspace = true")));
    for wrong in ["[package]\nname = \"x\"", "[lints.clippy]\nunwrap_used = \"allow\"", "[lints]\nworkspace = false"] {
        let found = of_crate(&made_up("modules/x/Cargo.toml", wrong));
        assert_eq!(found.len(), 1, "{wrong}");
    }
}

#[test]
fn a_lint_that_is_switched_off_without_a_reason_is_refused() {
    let off = |text: &str| switched_off(&made_up("src/x.rs", text));
    assert_one(&off("\n#![allow(clippy::unwrap_used)]"), "src/x.rs:2: a lint is switched off without a reason");
    assert_one(&off("#[expect(dead_code)]\nfn f() {}"), "src/x.rs:1: a lint is switched off without a reason");
    assert_one(&off("#![cfg_attr(test, allow(clippy::unwrap_used))]"), "src/x.rs:1: a lint is switched off");
    assert_one(
        &off("#![allow(clippy::allow_attributes_without_reason, reason = \"it is tiresome\")]"),
        "src/x.rs:1: a lint that has no exceptions is switched off",
    );
    assert_none(&off("#[expect(clippy::unwrap_used, reason = \"it was looked at\")]\nfn f() { x.expect(\"y\"); }"));
}

#[test]
fn an_exception_without_a_reason_is_refused() {
    let with = |text: &str| exceptions(&made_up("deny.toml", text));
    assert_none(&with("exceptions = [\n  # Only at build time.\n  { crate = \"a\", allow = [\"MPL-2.0\"] },\n]"));
    assert_none(&with("[bans]\nskip = [\n  { crate = \"a\", reason = \"another crate's doing\" },\n]"));
    assert_none(&with("# What is allowed everywhere.\nallow = [\"MIT\"]\nexceptions = []"));
    let wrong = with("exceptions = [\n  { crate = \"a\", allow = [\"MPL-2.0\"] },\n]");
    assert_one(&wrong, "deny.toml:2: an exception without a reason; say why");
    assert_one(&with("[advisories]\nignore = [\"RUSTSEC-2024-0001\"]"), "deny.toml:2: an exception without a reason");
}
