//! The lints are enabled in all crates, and each exception, also in `deny.toml`, has a reason.

use proc_macro2::TokenTree;
use toml::{Table, Value};

use crate::{
    sources::{Source, fake_source, for_each_token_list, is_punct, line, list_dir, read, root, rust_files_in, word},
    violation::{Violation, assert_no_violations, assert_one_violation},
};

/// The lints that ARCHITECTURE.md relies on, with their minimum levels. CI turns warnings into errors.
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

/// In order of strictness.
const LEVELS: [&str; 4] = ["allow", "warn", "deny", "forbid"];

fn strictness(level: &str) -> usize {
    LEVELS.iter().position(|known| *known == level).unwrap_or(0)
}

pub(crate) fn parse_toml(source: &Source) -> Table {
    source.text.parse().unwrap_or_else(|error| panic!("{}: {error}", source.path))
}

/// Returns the first line that contains `text`, or 0.
pub(crate) fn line_of(source: &Source, text: &str) -> usize {
    source.text.lines().position(|line| line.contains(text)).map_or(0, |line| line + 1)
}

/// Checks the lints in the root manifest.
fn check_workspace_lints(manifest: &Source) -> Vec<Violation> {
    let lints = parse_toml(manifest).get("workspace").and_then(|workspace| workspace.get("lints")).cloned();
    let mut violations = Vec::new();
    for (tool, lint, minimum) in REQUIRED_LINTS {
        let level = lints.as_ref().and_then(|lints| lints.get(tool)?.get(lint));
        let level = level.and_then(|level| level.as_str().or_else(|| level.get("level")?.as_str()));
        if strictness(level.unwrap_or("allow")) < strictness(minimum) {
            let problem = format!("`{tool}::{lint}` is weaker than {minimum}");
            violations.push(Violation::new(
                &manifest.path,
                line_of(manifest, lint),
                problem,
                "restore it under [workspace.lints]",
            ));
        }
    }
    violations
}

/// Checks that a crate inherits the lints of the workspace.
fn check_crate_lints(manifest: &Source) -> Vec<Violation> {
    let workspace = parse_toml(manifest).get("lints").and_then(|lints| lints.get("workspace")).cloned();
    let inherits = workspace == Some(Value::Boolean(true));
    let violation = || {
        let problem = "the crate doesn't inherit the workspace lints";
        Violation::new(&manifest.path, line_of(manifest, "[lints]"), problem, "write `[lints] workspace = true`")
    };
    (!inherits).then(violation).into_iter().collect()
}

/// Reads the root manifest and the manifests of all members of the workspace.
pub(crate) fn member_manifests() -> Vec<Source> {
    let mut manifests = vec![read("Cargo.toml"), read("seeds/Cargo.toml")];
    for folder in ["modules", "tests", "tools"] {
        let paths = list_dir(folder).into_iter().map(|name| format!("{folder}/{name}/Cargo.toml"));
        manifests.extend(paths.filter(|path| root().join(path).is_file()).map(|path| read(&path)));
    }
    manifests
}

/// Finds attributes that disable a lint without giving a reason, or that disable a lint that must never be disabled.
fn disabled_lints(source: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    for_each_token_list(source.text.parse().unwrap(), &mut |list| {
        for at in 0..list.len() {
            let name = word(list, at).filter(|name| ["allow", "expect"].contains(&name.as_str()));
            // In `#[…]` or `cfg_attr(…)`, it is the first token or follows a comma.
            let Some((_, TokenTree::Group(group))) =
                name.filter(|_| at == 0 || is_punct(list, at - 1, ',')).zip(list.get(at + 1))
            else {
                continue;
            };
            let inside: Vec<TokenTree> = group.stream().into_iter().collect();
            // A function or macro may have the same name, but only an attribute lists lints or has `reason =`.
            let has_reason = inside.iter().rev().nth(2).is_some_and(|token| token.to_string() == "reason");
            let lints = inside.iter().filter_map(|token| match token {
                TokenTree::Ident(word) => Some(word.to_string()),
                _ => None,
            });
            let lints: Vec<String> = lints.collect();
            let names_lints =
                ["clippy", "rustdoc"].contains(&lints.first().map_or("", String::as_str)) || is_lint(&lints);
            if !names_lints {
                continue;
            }
            let violation = |problem, help| Violation::new(&source.path, line(&list[at]), problem, help);
            if lints.iter().any(|lint| lint == "allow_attributes_without_reason" || lint == "unsafe_code") {
                violations.push(violation("a lint that must never be disabled is disabled", "enable it"));
            } else if !has_reason {
                violations.push(violation("a lint is disabled without a reason", "add `reason = \"…\"`"));
            }
        }
    });
    violations
}

/// Whether the first word is one of the rustc lints that are likely to be disabled.
fn is_lint(words: &[String]) -> bool {
    let first = words.first().map_or("", String::as_str);
    let prefixes =
        ["dead_code", "missing_docs", "non_", "private_", "unexpected_", "unreachable_", "unsafe_", "unused"];
    prefixes.iter().any(|prefix| first.starts_with(prefix)) || first == "warnings" || first == "deprecated"
}

/// The keys of `deny.toml` that contain exceptions.
const EXCEPTION_KEYS: [&str; 6] = ["exceptions", "ignore", "skip", "skip-tree", "allow-git", "clarify"];

/// Checks that each exception in `deny.toml` has a comment above it, or a `reason`.
fn check_deny_exceptions(config: &Source) -> Vec<Violation> {
    let lines: Vec<&str> = config.text.lines().map(str::trim).collect();
    let mut violations = Vec::new();
    let mut inside = false;
    for (index, text) in lines.iter().enumerate() {
        let opens = EXCEPTION_KEYS.iter().any(|key| {
            let rest = text.strip_prefix(key).map(str::trim_start);
            rest.is_some_and(|rest| rest.starts_with('=')) || text.starts_with("[[licenses.")
        });
        // A list on one line is a single entry; its reason must be on that line or above it.
        let is_entry =
            if opens { text.contains('{') || text.contains('"') } else { inside && text.starts_with(['{', '"']) };
        if opens {
            inside = !text.contains(']') || text.starts_with("[[");
        }
        let has_reason = text.contains("reason =") || (index > 0 && lines[index - 1].starts_with('#'));
        if is_entry && !has_reason {
            violations.push(Violation::new(
                &config.path,
                index + 1,
                "an exception without a reason",
                "write the reason in a comment above it",
            ));
        }
        inside &= !text.starts_with(']');
    }
    violations
}

#[test]
fn every_crate_inherits_lints() {
    let member_manifests = member_manifests();
    assert!(member_manifests.len() >= 12, "expected at least 12 manifests, found {}", member_manifests.len());
    assert_no_violations(&check_workspace_lints(&member_manifests[0]));
    assert_no_violations(&member_manifests.iter().flat_map(check_crate_lints).collect::<Vec<_>>());
}

#[test]
fn every_disabled_lint_has_reason() {
    let sources: Vec<Source> =
        ["modules", "seeds", "src", "tests", "tools"].into_iter().flat_map(rust_files_in).collect();
    assert_no_violations(&sources.iter().flat_map(disabled_lints).collect::<Vec<_>>());
}

#[test]
fn every_deny_exception_has_reason() {
    assert_no_violations(&check_deny_exceptions(&read("deny.toml")));
}

#[test]
fn weaker_lints_are_rejected() {
    let manifest = read("Cargo.toml");
    let weaker = |from: &str, to: &str| {
        assert!(manifest.text.contains(from));
        check_workspace_lints(&fake_source("Cargo.toml", &manifest.text.replace(from, to)))
    };
    let line = line_of(&manifest, "unwrap_used");
    let expected = format!("Cargo.toml:{line}: `clippy::unwrap_used` is weaker than warn");
    assert_one_violation(&weaker("unwrap_used = \"warn\"", "unwrap_used = \"allow\""), &expected);
    assert_one_violation(&weaker("unsafe_code = \"forbid\"", "unsafe_code = \"deny\""), "Cargo.toml:");
    assert_one_violation(&weaker("todo = \"deny\"\n", ""), "Cargo.toml:0: `clippy::todo` is weaker than deny");
    assert_no_violations(&weaker("unwrap_used = \"warn\"", "unwrap_used = { level = \"deny\", priority = 1 }"));
}

#[test]
fn crate_without_workspace_lints_is_rejected() {
    assert_no_violations(&check_crate_lints(&fake_source(
        "modules/x/Cargo.toml",
        "[package]\nname = \"x\"\n[lints]\nworkspace = true",
    )));
    for wrong in ["[package]\nname = \"x\"", "[lints.clippy]\nunwrap_used = \"allow\"", "[lints]\nworkspace = false"] {
        let found = check_crate_lints(&fake_source("modules/x/Cargo.toml", wrong));
        assert_eq!(found.len(), 1, "{wrong}");
    }
}

#[test]
fn disabled_lint_without_reason_is_rejected() {
    let check = |text: &str| disabled_lints(&fake_source("src/x.rs", text));
    assert_one_violation(&check("\n#![allow(clippy::unwrap_used)]"), "src/x.rs:2: a lint is disabled without a reason");
    assert_one_violation(&check("#[expect(dead_code)]\nfn f() {}"), "src/x.rs:1: a lint is disabled without a reason");
    assert_one_violation(&check("#![cfg_attr(test, allow(clippy::unwrap_used))]"), "src/x.rs:1: a lint is disabled");
    assert_one_violation(
        &check("#![allow(clippy::allow_attributes_without_reason, reason = \"it is inconvenient\")]"),
        "src/x.rs:1: a lint that must never be disabled is disabled",
    );
    assert_no_violations(&check(
        "#[expect(clippy::unwrap_used, reason = \"it was reviewed\")]\nfn f() { x.expect(\"y\"); }",
    ));
}

#[test]
fn deny_exception_without_reason_is_rejected() {
    let violations_of = |text: &str| check_deny_exceptions(&fake_source("deny.toml", text));
    assert_no_violations(&violations_of(
        "exceptions = [\n  # Only at build time.\n  { crate = \"a\", allow = [\"MPL-2.0\"] },\n]",
    ));
    assert_no_violations(&violations_of(
        "[bans]\nskip = [\n  { crate = \"a\", reason = \"required by another crate\" },\n]",
    ));
    assert_no_violations(&violations_of("# Allowed in all crates.\nallow = [\"MIT\"]\nexceptions = []"));
    let wrong = violations_of("exceptions = [\n  { crate = \"a\", allow = [\"MPL-2.0\"] },\n]");
    assert_one_violation(&wrong, "deny.toml:2: an exception without a reason; write");
    assert_one_violation(
        &violations_of("[advisories]\nignore = [\"RUSTSEC-2024-0001\"]"),
        "deny.toml:2: an exception without a reason",
    );
}
