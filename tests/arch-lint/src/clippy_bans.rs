//! The bans in `clippy.toml`. Each must have a reason and be exercised, and only reviewed files may have exceptions.

use proc_macro2::TokenTree;
use toml::Value;

use crate::{
    lints::{line_of, member_manifests, parse_toml},
    sources::{Source, fake_source, for_each_token_list, is_punct, line, program_sources, read, root, tokens, word},
    violation::{Violation, assert_no_violations, assert_one_violation},
};

/// The file that uses each banned item once under `#[expect]`.
const EXERCISES_FILE: &str = "tests/compile-fail/banned.rs";

/// The files that may contain exceptions to bans. No rule checks what an exception does, so each was reviewed.
const FILES_WITH_EXCEPTIONS: [&str; 9] = [
    // Verifies credentials.
    "modules/auth/src/tokens.rs",
    // A separate program, which reads the environment itself.
    "modules/embedded-postgres/src/main.rs",
    // Statements about roles, settings and the schema itself.
    "modules/kernel/src/db/mod.rs",
    // The components that create the proofs, and the request module, which uses them.
    "modules/kernel/src/request.rs",
    "src/http/module.rs",
    // Read the environment.
    "src/config/mod.rs",
    "src/config/psql_env.rs",
    // Request bodies, after the access check.
    "src/http/extract.rs",
    // The pages that no handler serves.
    "src/http/server.rs",
];

/// The banned paths, each with its reason.
fn bans(config: &Source) -> Vec<(String, String)> {
    let mut bans = Vec::new();
    for (key, value) in &parse_toml(config) {
        let Some(entries) = value.as_array().filter(|_| key.starts_with("disallowed-")) else { continue };
        for entry in entries {
            let path = entry.as_str().or_else(|| entry.get("path")?.as_str()).unwrap_or("?");
            bans.push((path.to_owned(), entry.get("reason").and_then(Value::as_str).unwrap_or("").to_owned()));
        }
    }
    bans
}

/// Checks that each ban has a reason of the form `why; instead`.
fn check_reasons(config: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, reason) in bans(config) {
        let halves: Vec<&str> = reason.splitn(2, "; ").collect();
        if halves.len() < 2 || halves.iter().any(|half| half.trim().len() < 8) {
            let problem = format!("the reason of the ban of `{path}` lacks the cause or the alternative");
            let help = "write both, as \"why; what to do instead\"";
            violations.push(Violation::new(&config.path, line_of(config, &path), problem, help));
        }
    }
    violations
}

/// An attribute that disables a ban.
struct BanException {
    line: usize,
    reason: String,
    /// The identifiers in the code that it applies to, up to the next `;` or `,`.
    words: Vec<String>,
}

/// The exceptions to bans in a file, except those in test code.
fn ban_exceptions(source: &Source) -> Vec<BanException> {
    let mut exceptions = Vec::new();
    for_each_token_list(tokens(source), &mut |list| {
        for at in 0..list.len() {
            let Some((line, reason)) = parse_exception(&list[at]) else { continue };
            let rest = list[at + 1..].iter().take_while(|token| !is_end(token)).cloned();
            let mut words = Vec::new();
            for_each_token_list(rest.collect(), &mut |list| {
                words.extend((0..list.len()).filter_map(|at| word(list, at)))
            });
            exceptions.push(BanException { line, reason, words });
        }
    });
    exceptions
}

/// Returns the line and the reason, if the token is the bracket group of an attribute that disables a ban.
fn parse_exception(token: &TokenTree) -> Option<(usize, String)> {
    let TokenTree::Group(attribute) = token else { return None };
    let text = attribute.stream().to_string();
    // The bans belong to the lint group `style`.
    let is_ban = ["disallowed_", "clippy :: style", "clippy :: all"].iter().any(|lint| text.contains(lint));
    let disables = is_ban && ["expect", "allow"].iter().any(|level| text.contains(level));
    let mut reason = String::new();
    for_each_token_list(attribute.stream(), &mut |list| {
        for at in 0..list.len() {
            if word(list, at).is_some_and(|word| word == "reason") && is_punct(list, at + 1, '=') {
                let text = list.get(at + 2).cloned().and_then(|text| syn::parse2::<syn::LitStr>(text.into()).ok());
                reason = text.map(|text| text.value()).unwrap_or_default();
            }
        }
    });
    let is_attribute = attribute.delimiter() == proc_macro2::Delimiter::Bracket;
    (is_attribute && disables).then(|| (line(token), reason))
}

fn is_end(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(sign) if [';', ','].contains(&sign.as_char()))
}

/// Checks that `exercises` uses each banned item exactly once under `#[expect]`.
fn check_exercised(config: &Source, exercises: &Source) -> Vec<Violation> {
    let exceptions = ban_exceptions(exercises);
    let mut violations = Vec::new();
    for (path, _) in bans(config) {
        let name = path.rsplit("::").next().unwrap_or_default();
        let exercises_it =
            |exception: &&BanException| exception.reason == path && exception.words.iter().any(|word| word == name);
        if exceptions.iter().filter(exercises_it).count() != 1 {
            let problem = format!("the ban of `{path}` is not exercised");
            let help = "use it in tests/compile-fail/banned.rs, once, below an `#[expect]` with its path as the reason";
            violations.push(Violation::new(&config.path, line_of(config, &path), problem, help));
        }
    }
    violations
}

/// Checks that a file without permission has no exceptions to bans.
fn check_exceptions(source: &Source) -> Vec<Violation> {
    let help = "remove it, or add the file to the list in tests/arch-lint/src/clippy_bans.rs with a comment";
    let is_allowed = FILES_WITH_EXCEPTIONS.contains(&source.path.as_str());
    let exceptions = ban_exceptions(source).into_iter().filter(|_| !is_allowed);
    exceptions
        .map(|exception| Violation::new(&source.path, exception.line, "an exception to a ban of clippy.toml", help))
        .collect()
}

/// Finds configuration files that clippy would use for a crate instead of the workspace's.
fn crate_level_configs(manifests: &[Source], exists: impl Fn(&str) -> bool) -> Vec<Violation> {
    let folders = manifests.iter().filter_map(|manifest| manifest.path.strip_suffix("Cargo.toml"));
    let files = folders.flat_map(|folder| ["clippy.toml", ".clippy.toml"].map(|name| format!("{folder}{name}")));
    let others = files.filter(|file| file != "clippy.toml" && exists(file));
    let problem = "clippy uses this file instead of the workspace's clippy.toml";
    others.map(|file| Violation::new(&file, 0, problem, "move its content to the workspace's clippy.toml")).collect()
}

#[test]
fn only_workspace_bans_exist() {
    assert_no_violations(&crate_level_configs(&member_manifests(), |file| root().join(file).exists()));
}

#[test]
fn crate_level_clippy_toml_is_rejected() {
    let manifests = ["Cargo.toml", "modules/user/Cargo.toml"].map(|path| fake_source(path, ""));
    let violations_of = |there: &str| crate_level_configs(&manifests, |file| file == there);
    assert_no_violations(&violations_of("clippy.toml"));
    for wrong in [".clippy.toml", "modules/user/clippy.toml", "modules/user/.clippy.toml"] {
        assert_one_violation(
            &violations_of(wrong),
            &format!("{wrong}:0: clippy uses this file instead of the workspace's"),
        );
    }
}

#[test]
fn every_ban_has_reason_and_alternative() {
    assert_no_violations(&check_reasons(&read("clippy.toml")));
}

#[test]
fn every_ban_is_exercised() {
    let config = read("clippy.toml");
    assert!(bans(&config).len() > 30, "expected more than 30 bans, found {}", bans(&config).len());
    assert_no_violations(&check_exercised(&config, &read(EXERCISES_FILE)));
}

#[test]
fn ban_exceptions_are_allowlisted() {
    let program = program_sources();
    assert_no_violations(&program.iter().flat_map(check_exceptions).collect::<Vec<_>>());
    for path in FILES_WITH_EXCEPTIONS {
        let source = program.iter().find(|source| source.path == path);
        assert!(
            source.is_some_and(|source| !ban_exceptions(source).is_empty()),
            "{path} has no exception; remove it from the list"
        );
    }
}

#[test]
fn ban_without_reason_or_alternative_is_rejected() {
    let ban =
        |entry: &str| check_reasons(&fake_source("clippy.toml", &format!("disallowed-methods = [\n  {entry},\n]")));
    assert_no_violations(&ban(r#"{ path = "a::b", reason = "it is slow on purpose; use a::c" }"#));
    for wrong in [r#""a::b""#, r#"{ path = "a::b" }"#, r#"{ path = "a::b", reason = "it is slow on purpose" }"#] {
        assert_one_violation(&ban(wrong), "clippy.toml:2: the reason of the ban of `a::b` lacks");
    }
}

#[test]
fn unexercised_ban_is_rejected() {
    let config = fake_source("clippy.toml", "disallowed-methods = [\n  { path = \"a::b\" },\n]");
    let violations_of = |exercises: &str| check_exercised(&config, &fake_source("banned.rs", exercises));
    assert_no_violations(&violations_of(
        "fn f() {\n #[expect(clippy::disallowed_methods, reason = \"a::b\")]\n a::b();\n}",
    ));
    assert_no_violations(&violations_of("struct S { #[expect(clippy::disallowed_types, reason = \"a::b\")] f: a::b }"));
    for wrong in [
        "fn f() { a::b(); }",
        "fn f() { #[expect(clippy::disallowed_methods, reason = \"a::c\")] a::b(); }",
        "fn f() { #[expect(clippy::disallowed_methods, reason = \"a::b\")] a::c(); a::b(); }",
    ] {
        assert_one_violation(&violations_of(wrong), "clippy.toml:2: the ban of `a::b` is not exercised; use it in");
    }
}

#[test]
fn unlisted_ban_exception_is_rejected() {
    let check =
        |path: &str, attribute: &str| check_exceptions(&fake_source(path, &format!("{attribute}\nfn f() {{}}")));
    let attribute = "#[expect(clippy::disallowed_methods, reason = \"it is faster\")]";
    assert_no_violations(&check("modules/auth/src/tokens.rs", attribute));
    let here = "modules/user/src/profiles.rs";
    assert_one_violation(
        &check(here, attribute),
        &format!("{here}:1: an exception to a ban of clippy.toml; remove it"),
    );
    assert_one_violation(
        &check(here, "#![allow(dead_code, clippy::disallowed_types, reason = \"so\")]"),
        &format!("{here}:1:"),
    );
    assert_one_violation(
        &check(here, "#[cfg_attr(not(test), expect(clippy::disallowed_macros))]"),
        &format!("{here}:1:"),
    );
    assert_one_violation(&check(here, "#[allow(clippy::style, reason = \"so\")]"), &format!("{here}:1:"));
    assert_no_violations(&check(
        here,
        "#[cfg(test)]\nmod tests { #[expect(clippy::disallowed_types, reason = \"so\")] fn g() {} }",
    ));
    assert_no_violations(&check(here, "#[expect(clippy::unwrap_used, reason = \"it was reviewed\")]"));
}
