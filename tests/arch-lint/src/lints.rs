//! The lints, and other tools' lists of exceptions: all are on, everywhere, and each exception has a reason.

use proc_macro2::TokenTree;
use toml::{Table, Value};

use crate::{
    sources::{Source, fake_source, for_each_token_list, is_sign, line, names, read, root, rust_files_in, word},
    violation::{Violation, assert_no_violations, assert_one_violation},
};

/// What ARCHITECTURE.md counts on, and how strictly at the least. CI makes errors of warnings.
const REQUIRED_LINTS: [(&str, &str, &str); 10] = [
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
fn of_workspace(manifest: &Source) -> Vec<Violation> {
    let lints = table(manifest).get("workspace").and_then(|workspace| workspace.get("lints")).cloned();
    let mut found = Vec::new();
    for (tool, lint, least) in REQUIRED_LINTS {
        let level = lints.as_ref().and_then(|lints| lints.get(tool)?.get(lint));
        let level = level.and_then(|level| level.as_str().or_else(|| level.get("level")?.as_str()));
        if strictness(level.unwrap_or("allow")) < strictness(least) {
            let problem = format!("`{tool}::{lint}` is weaker than {least}");
            found.push(Violation::new(
                &manifest.path,
                line_of(manifest, lint),
                problem,
                "put it back under [workspace.lints]",
            ));
        }
    }
    found
}

/// One crate's lints: the workspace's.
fn of_crate(manifest: &Source) -> Vec<Violation> {
    let inherits = table(manifest).get("lints").and_then(|lints| lints.get("workspace")) == Some(&Value::Boolean(true));
    let finding = || {
        let problem = "the crate doesn't have the workspace's lints";
        Violation::new(&manifest.path, line_of(manifest, "[lints]"), problem, "say `[lints] workspace = true`")
    };
    (!inherits).then(finding).into_iter().collect()
}

/// The manifests of the workspace's members.
pub(crate) fn member_manifests() -> Vec<Source> {
    let mut found = vec![read("Cargo.toml"), read("seeds/Cargo.toml")];
    for folder in ["modules", "tests", "tools"] {
        let manifests = names(folder).into_iter().map(|name| format!("{folder}/{name}/Cargo.toml"));
        found.extend(manifests.filter(|path| root().join(path).is_file()).map(|path| read(&path)));
    }
    found
}

/// Attributes that switch lints off, in any file.
fn disabled_lints(source: &Source) -> Vec<Violation> {
    let mut found = Vec::new();
    for_each_token_list(source.text.parse().unwrap(), &mut |list| {
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
            let place = |problem, help| Violation::new(&source.path, line(&list[at]), problem, help);
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
const EXCEPTION_KEYS: [&str; 6] = ["exceptions", "ignore", "skip", "skip-tree", "allow-git", "clarify"];

/// `deny.toml`: each exception has a comment above it, or a `reason` in it.
fn exceptions(config: &Source) -> Vec<Violation> {
    let lines: Vec<&str> = config.text.lines().map(str::trim).collect();
    let mut found = Vec::new();
    let mut inside = false;
    for (index, text) in lines.iter().enumerate() {
        let opens = EXCEPTION_KEYS.iter().any(|key| {
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
            found.push(Violation::new(
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
fn every_crate_inherits_lints() {
    let member_manifests = member_manifests();
    assert!(member_manifests.len() >= 12, "only {} manifests were found", member_manifests.len());
    assert_no_violations(&of_workspace(&member_manifests[0]));
    assert_no_violations(&member_manifests.iter().flat_map(of_crate).collect::<Vec<_>>());
}

#[test]
fn every_expect_has_reason() {
    let sources: Vec<Source> =
        ["modules", "seeds", "src", "tests", "tools"].into_iter().flat_map(rust_files_in).collect();
    assert_no_violations(&sources.iter().flat_map(disabled_lints).collect::<Vec<_>>());
}

#[test]
fn every_deny_exception_has_reason() {
    assert_no_violations(&exceptions(&read("deny.toml")));
}

#[test]
fn weaker_lints_are_rejected() {
    let manifest = read("Cargo.toml");
    let weaker = |from: &str, to: &str| {
        assert!(manifest.text.contains(from));
        of_workspace(&fake_source("Cargo.toml", &manifest.text.replace(from, to)))
    };
    let line = line_of(&manifest, "unwrap_used");
    let expected = format!("Cargo.toml:{line}: `clippy::unwrap_used` is weaker than warn");
    assert_one_violation(&weaker("unwrap_used = \"warn\"", "unwrap_used = \"allow\""), &expected);
    assert_one_violation(&weaker("unsafe_code = \"forbid\"", "unsafe_code = \"deny\""), "Cargo.toml:");
    assert_one_violation(&weaker("todo = \"deny\"\n", ""), "Cargo.toml:0: `clippy::todo` is weaker than deny");
    assert_no_violations(&weaker("unwrap_used = \"warn\"", "unwrap_used = { level = \"deny\", priority = 1 }"));
}

#[test]
fn crate_with_lints_of_its_own_is_rejected() {
    assert_no_violations(&of_crate(&fake_source(
        "modules/x/Cargo.toml",
        "[package]\nname = \"x\"\n[lints]\nworkspace = true",
    )));
    for wrong in ["[package]\nname = \"x\"", "[lints.clippy]\nunwrap_used = \"allow\"", "[lints]\nworkspace = false"] {
        let found = of_crate(&fake_source("modules/x/Cargo.toml", wrong));
        assert_eq!(found.len(), 1, "{wrong}");
    }
}

#[test]
fn expect_without_reason_is_rejected() {
    let off = |text: &str| disabled_lints(&fake_source("src/x.rs", text));
    assert_one_violation(
        &off("\n#![allow(clippy::unwrap_used)]"),
        "src/x.rs:2: a lint is switched off without a reason",
    );
    assert_one_violation(
        &off("#[expect(dead_code)]\nfn f() {}"),
        "src/x.rs:1: a lint is switched off without a reason",
    );
    assert_one_violation(&off("#![cfg_attr(test, allow(clippy::unwrap_used))]"), "src/x.rs:1: a lint is switched off");
    assert_one_violation(
        &off("#![allow(clippy::allow_attributes_without_reason, reason = \"it is tiresome\")]"),
        "src/x.rs:1: a lint that has no exceptions is switched off",
    );
    assert_no_violations(&off(
        "#[expect(clippy::unwrap_used, reason = \"it was looked at\")]\nfn f() { x.expect(\"y\"); }",
    ));
}

#[test]
fn exception_without_a_reason_is_rejected() {
    let with = |text: &str| exceptions(&fake_source("deny.toml", text));
    assert_no_violations(&with(
        "exceptions = [\n  # Only at build time.\n  { crate = \"a\", allow = [\"MPL-2.0\"] },\n]",
    ));
    assert_no_violations(&with("[bans]\nskip = [\n  { crate = \"a\", reason = \"another crate's doing\" },\n]"));
    assert_no_violations(&with("# What is allowed everywhere.\nallow = [\"MIT\"]\nexceptions = []"));
    let wrong = with("exceptions = [\n  { crate = \"a\", allow = [\"MPL-2.0\"] },\n]");
    assert_one_violation(&wrong, "deny.toml:2: an exception without a reason; say why");
    assert_one_violation(
        &with("[advisories]\nignore = [\"RUSTSEC-2024-0001\"]"),
        "deny.toml:2: an exception without a reason",
    );
}
