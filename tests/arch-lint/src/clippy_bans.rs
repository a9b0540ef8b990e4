//! The bans in `clippy.toml`. Each must have a reason and be exercised, and only reviewed files may have exceptions.

use toml::Value;

use crate::{
    lints::{LintException, line_of, lint_exceptions, member_manifests, parse_toml},
    sources::{Source, fake_source, program_sources, read, root, tokens},
    violation::{Violation, assert_all_pass, assert_no_violations, assert_one_violation, assert_rule},
};

/// The file that uses each banned item once under `#[expect]`.
const EXERCISES_FILE: &str = "tests/compile-fail/banned.rs";

/// The files that may contain exceptions to bans. No rule checks what an exception does, so each was reviewed.
const FILES_WITH_EXCEPTIONS: [&str; 11] = [
    // Verify credentials.
    "modules/auth/src/sign_in.rs",
    "modules/auth/src/tokens.rs",
    // A separate program, which reads the environment itself.
    "modules/embedded-postgres/src/main.rs",
    // Defines the components that create proofs.
    "modules/kernel/src/lib.rs",
    // Statements about roles, settings and the schema itself.
    "modules/db/src/lib.rs",
    // The clock that components inject, and the name of a backup.
    "modules/kernel/src/clock.rs",
    "src/cli/db/backup.rs",
    // Puts the components that create the proofs into the request module.
    "src/services.rs",
    // Read the environment.
    "src/config/mod.rs",
    "src/config/client_env.rs",
    // The pages that no handler serves.
    "src/http/server.rs",
];

/// Returns the banned paths, each with its reason.
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

/// Returns the exceptions to bans in a file, except those in test code.
fn ban_exceptions(source: &Source) -> Vec<LintException> {
    let mut exceptions = lint_exceptions(tokens(source));
    // The bans belong to the lint group `style`.
    let lints = ["disallowed_", "clippy :: style", "clippy :: all"];
    exceptions.retain(|exception| lints.iter().any(|lint| exception.text.contains(lint)));
    exceptions
}

/// Checks that `exercises` uses each banned item exactly once under `#[expect]`.
fn check_exercised(config: &Source, exercises: &Source) -> Vec<Violation> {
    let exceptions = ban_exceptions(exercises);
    let mut violations = Vec::new();
    for (path, _) in bans(config) {
        let name = path.rsplit("::").next().unwrap_or_default();
        let exercises_it =
            |exception: &&LintException| exception.reason == path && exception.words.iter().any(|word| word == name);
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
    assert_all_pass(check_exceptions, &program);
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
    let wrong = [r#""a::b""#, r#"{ path = "a::b" }"#, r#"{ path = "a::b", reason = "it is slow on purpose" }"#];
    let config = |entry: &str| format!("disallowed-methods = [\n  {entry},\n]");
    let wrong = wrong.map(config);
    assert_rule(
        check_reasons,
        "clippy.toml",
        &[&config(r#"{ path = "a::b", reason = "it is slow on purpose; use a::c" }"#)],
        &wrong.each_ref().map(|text| (text.as_str(), "2: the reason of the ban of `a::b` lacks")),
    );
}

#[test]
fn unexercised_ban_is_rejected() {
    let config = fake_source("clippy.toml", "disallowed-methods = [\n  { path = \"a::b\" },\n]");
    let check = |exercises: &str| check_exercised(&config, &fake_source("banned.rs", exercises));
    for exercised in [
        "fn f() {\n #[expect(clippy::disallowed_methods, reason = \"a::b\")]\n a::b();\n}",
        "struct S { #[expect(clippy::disallowed_types, reason = \"a::b\")] f: a::b }",
    ] {
        assert_no_violations(&check(exercised));
    }
    for wrong in [
        "fn f() { a::b(); }",
        "fn f() { #[expect(clippy::disallowed_methods, reason = \"a::c\")] a::b(); }",
        "fn f() { #[expect(clippy::disallowed_methods, reason = \"a::b\")] a::c(); a::b(); }",
    ] {
        assert_one_violation(&check(wrong), "clippy.toml:2: the ban of `a::b` is not exercised; use it in");
    }
}

#[test]
fn unlisted_ban_exception_is_rejected() {
    let exception = "#[expect(clippy::disallowed_methods, reason = \"it is faster\")]\nfn f() {}";
    assert_rule(check_exceptions, "modules/auth/src/tokens.rs", &[exception], &[]);
    assert_rule(
        check_exceptions,
        "modules/user/src/profiles.rs",
        &[
            "#[cfg(test)]\nmod tests { #[expect(clippy::disallowed_types, reason = \"so\")] fn g() {} }",
            "#[expect(clippy::unwrap_used, reason = \"it was reviewed\")]\nfn f() {}",
        ],
        &[
            exception,
            "#![allow(dead_code, clippy::disallowed_types, reason = \"so\")]\nfn f() {}",
            "#[cfg_attr(not(test), expect(clippy::disallowed_macros))]\nfn f() {}",
            "#[allow(clippy::style, reason = \"so\")]\nfn f() {}",
        ]
        .map(|text| (text, "1: an exception to a ban of clippy.toml; remove it")),
    );
}
