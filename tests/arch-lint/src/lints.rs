//! The lints are enabled in all crates, and each exception, also in `deny.toml`, has a reason.

use std::iter;

use proc_macro2::{TokenStream, TokenTree};
use toml::{Table, Value};

use crate::{
    sources::{Source, fake_source, folders, for_each_token_list, is_punct, line, read, root, rust_files_in, word},
    violation::{Violation, assert_all_pass, assert_no_violations, assert_one_violation, assert_rule},
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
            let (line, help) = (line_of(manifest, lint), "restore it under [workspace.lints]");
            violations.push(Violation::new(&manifest.path, line, problem, help));
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
    let members = ["seeds", "modules/*", "modules/*/api", "tests/*", "tools/*"].into_iter().flat_map(folders);
    let paths = members.map(|folder| format!("{folder}/Cargo.toml")).filter(|path| root().join(path).is_file());
    iter::once("Cargo.toml".to_owned()).chain(paths).map(|path| read(&path)).collect()
}

/// An attribute that disables lints.
pub(crate) struct LintException {
    pub(crate) line: usize,
    /// The attribute's tokens.
    pub(crate) text: String,
    pub(crate) reason: String,
    /// The identifiers in the code that it applies to, up to the next `;` or `,`.
    pub(crate) words: Vec<String>,
}

/// Returns the attributes that disable lints, directly or by `cfg_attr`.
pub(crate) fn lint_exceptions(stream: TokenStream) -> Vec<LintException> {
    let mut exceptions = Vec::new();
    for_each_token_list(stream, &mut |list| {
        for at in 1..list.len() {
            let is_attribute = is_punct(list, at - 1, '#') || (at > 1 && is_punct(list, at - 2, '#'));
            let TokenTree::Group(group) = &list[at] else { continue };
            let text = group.stream().to_string();
            let disables = ["allow (", "expect ("].iter().any(|level| {
                text.starts_with(level) || (text.starts_with("cfg_attr") && text.contains(&format!(", {level}")))
            });
            if !is_attribute || !disables {
                continue;
            }
            let is_inside =
                |token: &&TokenTree| !matches!(token, TokenTree::Punct(sign) if ";,".contains(sign.as_char()));
            let mut words = Vec::new();
            for_each_token_list(list[at + 1..].iter().take_while(is_inside).cloned().collect(), &mut |list| {
                words.extend((0..list.len()).filter_map(|at| word(list, at)));
            });
            let reason = text.split_once("reason = \"").and_then(|(_, reason)| reason.split('"').next());
            let reason = reason.unwrap_or_default().to_owned();
            exceptions.push(LintException { line: line(&list[at]), text, reason, words });
        }
    });
    exceptions
}

/// Finds attributes that disable a lint without giving a reason, or that disable a lint that must never be disabled.
fn disabled_lints(source: &Source) -> Vec<Violation> {
    let exceptions = lint_exceptions(source.text.parse().unwrap()).into_iter();
    let violations = exceptions.filter_map(|LintException { line, text, reason, .. }| {
        let (problem, help) = if ["allow_attributes_without_reason", "unsafe_code"].iter().any(|one| text.contains(one))
        {
            ("a lint that must never be disabled is disabled", "enable it")
        } else if reason.is_empty() {
            ("a lint is disabled without a reason", "add `reason = \"…\"`")
        } else {
            return None;
        };
        Some(Violation::new(&source.path, line, problem, help))
    });
    violations.collect()
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
            let (problem, help) = ("an exception without a reason", "write the reason in a comment above it");
            violations.push(Violation::new(&config.path, index + 1, problem, help));
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
    assert_all_pass(check_crate_lints, &member_manifests);
}

#[test]
fn every_disabled_lint_has_reason() {
    let sources: Vec<Source> =
        ["modules", "seeds", "src", "tests", "tools"].into_iter().flat_map(rust_files_in).collect();
    assert_all_pass(disabled_lints, &sources);
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
    let problem = "the crate doesn't inherit the workspace lints";
    assert_rule(
        check_crate_lints,
        "modules/x/Cargo.toml",
        &["[package]\nname = \"x\"\n[lints]\nworkspace = true"],
        &[
            ("[package]\nname = \"x\"", &format!("0: {problem}")),
            ("[lints.clippy]\nunwrap_used = \"allow\"", &format!("0: {problem}")),
            ("[lints]\nworkspace = false", &format!("1: {problem}")),
        ],
    );
}

#[test]
fn disabled_lint_without_reason_is_rejected() {
    let must_not = "#![allow(clippy::allow_attributes_without_reason, reason = \"it is inconvenient\")]";
    assert_rule(
        disabled_lints,
        "src/x.rs",
        &["#[expect(clippy::unwrap_used, reason = \"it was reviewed\")]\nfn f() { x.expect(\"y\"); }"],
        &[
            ("\n#![allow(clippy::unwrap_used)]", "2: a lint is disabled without a reason"),
            ("#[expect(dead_code)]\nfn f() {}", "1: a lint is disabled without a reason"),
            ("#![cfg_attr(test, allow(clippy::unwrap_used))]", "1: a lint is disabled without a reason"),
            (must_not, "1: a lint that must never be disabled is disabled"),
        ],
    );
}

#[test]
fn deny_exception_without_reason_is_rejected() {
    assert_rule(
        check_deny_exceptions,
        "deny.toml",
        &[
            "exceptions = [\n  # Only at build time.\n  { crate = \"a\", allow = [\"MPL-2.0\"] },\n]",
            "[bans]\nskip = [\n  { crate = \"a\", reason = \"required by another crate\" },\n]",
            "# Allowed in all crates.\nallow = [\"MIT\"]\nexceptions = []",
        ],
        &[
            (
                "exceptions = [\n  { crate = \"a\", allow = [\"MPL-2.0\"] },\n]",
                "2: an exception without a reason; write",
            ),
            ("[advisories]\nignore = [\"RUSTSEC-2024-0001\"]", "2: an exception without a reason"),
        ],
    );
}
