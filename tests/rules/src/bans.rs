//! What `clippy.toml` bans: each ban has its reason, is shown to bite, and is lifted only where somebody has looked.

use proc_macro2::TokenTree;
use toml::Value;

use crate::{
    finding::{Finding, assert_none, assert_one},
    lints::{line_of, members, table},
    sources::{Source, each_list, is_sign, line, made_up, program, read, root, tokens, word},
};

/// Where each ban is used once, for clippy to expect it.
const USES: &str = "tests/wiring/banned.rs";

/// Where the program lifts a ban. What such a place does is for the eye alone, so each has been looked at.
const LIFTED: [&str; 9] = [
    // It verifies credentials.
    "modules/auth/src/tokens.rs",
    // A program of its own, that reads the environment itself.
    "modules/embedded-postgres/src/main.rs",
    // Statements about roles, settings and the schema itself.
    "modules/kernel/src/db/mod.rs",
    // The components that make the proofs, and the request's module, which has them.
    "modules/kernel/src/request.rs",
    "src/http/module.rs",
    // They read the environment, and whether there is a terminal.
    "src/config/mod.rs",
    "src/config/terminal.rs",
    // Bodies behind a guard.
    "src/http/extract.rs",
    // The pages that no handler serves.
    "src/http/server.rs",
];

/// The paths that are banned, each with its reason.
fn banned(config: &Source) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (key, value) in &table(config) {
        let Some(entries) = value.as_array().filter(|_| key.starts_with("disallowed-")) else { continue };
        for entry in entries {
            let path = entry.as_str().or_else(|| entry.get("path")?.as_str()).unwrap_or("?");
            found.push((path.to_owned(), entry.get("reason").and_then(Value::as_str).unwrap_or("").to_owned()));
        }
    }
    found
}

/// What is banned says why, and what to do instead, as `why; instead`.
fn reasons(config: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, reason) in banned(config) {
        let halves: Vec<&str> = reason.splitn(2, "; ").collect();
        if halves.len() < 2 || halves.iter().any(|half| half.trim().len() < 8) {
            let broke = format!("the ban of `{path}` doesn't say why and what to do instead");
            found.push(Finding::new(&config.path, line_of(config, &path), broke, "say both, as \"why; instead\""));
        }
    }
    found
}

/// A place that lifts a ban.
struct Lifted {
    line: usize,
    /// Its reason.
    reason: String,
    /// The words of what it is lifted for, as far as the next `;` or `,`.
    words: Vec<String>,
}

/// The places in a file, without those in its tests.
fn lifted(source: &Source) -> Vec<Lifted> {
    let mut found = Vec::new();
    each_list(tokens(source), &mut |list| {
        for at in 0..list.len() {
            let Some((place, reason)) = lifts(&list[at]) else { continue };
            let rest = list[at + 1..].iter().take_while(|token| !is_end(token)).cloned();
            let mut words = Vec::new();
            each_list(rest.collect(), &mut |list| words.extend((0..list.len()).filter_map(|at| word(list, at))));
            found.push(Lifted { line: place, reason, words });
        }
    });
    found
}

/// What is in the square brackets of an attribute that lifts a ban: its line, and its reason.
fn lifts(token: &TokenTree) -> Option<(usize, String)> {
    let TokenTree::Group(attribute) = token else { return None };
    let text = attribute.stream().to_string();
    // The bans are part of the group `style`.
    let bans = ["disallowed_", "clippy :: style", "clippy :: all"].iter().any(|lint| text.contains(lint));
    let lifts = bans && ["expect", "allow"].iter().any(|way| text.contains(way));
    let mut reason = String::new();
    each_list(attribute.stream(), &mut |list| {
        for at in 0..list.len() {
            if word(list, at).is_some_and(|word| word == "reason") && is_sign(list, at + 1, '=') {
                let text = list.get(at + 2).cloned().and_then(|text| syn::parse2::<syn::LitStr>(text.into()).ok());
                reason = text.map(|text| text.value()).unwrap_or_default();
            }
        }
    });
    let is_attribute = attribute.delimiter() == proc_macro2::Delimiter::Bracket;
    (is_attribute && lifts).then(|| (line(token), reason))
}

fn is_end(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(sign) if [';', ','].contains(&sign.as_char()))
}

/// Bans that nothing shows to bite.
fn unused(config: &Source, uses: &Source) -> Vec<Finding> {
    let lifted = lifted(uses);
    let mut found = Vec::new();
    for (path, _) in banned(config) {
        let name = path.rsplit("::").next().unwrap_or_default();
        let shown = |lifted: &&Lifted| lifted.reason == path && lifted.words.iter().any(|word| word == name);
        if lifted.iter().filter(shown).count() != 1 {
            let broke = format!("nothing shows that the ban of `{path}` bites");
            let instead = "use it in tests/wiring/banned.rs, once, below an `#[expect]` with its path as the reason";
            found.push(Finding::new(&config.path, line_of(config, &path), broke, instead));
        }
    }
    found
}

/// Bans that the program lifts elsewhere.
fn exceptions(source: &Source) -> Vec<Finding> {
    let instead = "do without, or list the file in tests/rules/src/bans.rs and say what it is for";
    let unknown = lifted(source).into_iter().filter(|_| !LIFTED.contains(&source.path.as_str()));
    unknown.map(|lifted| Finding::new(&source.path, lifted.line, "it lifts a ban of clippy.toml", instead)).collect()
}

/// Configurations that clippy would take for a crate in place of the workspace's. `is_there` tells which files there are.
fn instead_of_the_workspaces(manifests: &[Source], is_there: impl Fn(&str) -> bool) -> Vec<Finding> {
    let folders = manifests.iter().filter_map(|manifest| manifest.path.strip_suffix("Cargo.toml"));
    let files = folders.flat_map(|folder| ["clippy.toml", ".clippy.toml"].map(|name| format!("{folder}{name}")));
    let others = files.filter(|file| file != "clippy.toml" && is_there(file));
    let broke = "clippy takes this in place of the workspace's bans";
    others.map(|file| Finding::new(&file, 0, broke, "put what is in it into the workspace's clippy.toml")).collect()
}

#[test]
fn there_are_no_bans_but_the_workspaces() {
    assert_none(&instead_of_the_workspaces(&members(), |file| root().join(file).exists()));
}

#[test]
fn bans_of_a_crates_own_are_refused() {
    let manifests = ["Cargo.toml", "modules/user/Cargo.toml"].map(|path| made_up(path, ""));
    let with = |there: &str| instead_of_the_workspaces(&manifests, |file| file == there);
    assert_none(&with("clippy.toml"));
    for wrong in [".clippy.toml", "modules/user/clippy.toml", "modules/user/.clippy.toml"] {
        assert_one(&with(wrong), &format!("{wrong}:0: clippy takes this in place of the workspace's bans"));
    }
}

#[test]
fn every_ban_says_why_and_what_to_do_instead() {
    assert_none(&reasons(&read("clippy.toml")));
}

#[test]
fn every_ban_is_shown_to_bite() {
    let config = read("clippy.toml");
    assert!(banned(&config).len() > 30, "only {} bans were found", banned(&config).len());
    assert_none(&unused(&config, &read(USES)));
}

#[test]
fn the_program_lifts_bans_where_they_were_looked_at_alone() {
    let program = program();
    assert_none(&program.iter().flat_map(exceptions).collect::<Vec<_>>());
    for path in LIFTED {
        let source = program.iter().find(|source| source.path == path);
        assert!(source.is_some_and(|source| !lifted(source).is_empty()), "{path} lifts none: take it out of the list");
    }
}

#[test]
fn a_ban_without_its_reason_or_its_alternative_is_refused() {
    let ban = |entry: &str| reasons(&made_up("clippy.toml", &format!("disallowed-methods = [\n  {entry},\n]")));
    assert_none(&ban(r#"{ path = "a::b", reason = "it is slow on purpose; use a::c" }"#));
    for wrong in [r#""a::b""#, r#"{ path = "a::b" }"#, r#"{ path = "a::b", reason = "it is slow on purpose" }"#] {
        assert_one(&ban(wrong), "clippy.toml:2: the ban of `a::b` doesn't say why");
    }
}

#[test]
fn a_ban_that_is_not_shown_to_bite_is_refused() {
    let config = made_up("clippy.toml", "disallowed-methods = [\n  { path = \"a::b\" },\n]");
    let with = |uses: &str| unused(&config, &made_up("uses.rs", uses));
    assert_none(&with("fn f() {\n #[expect(clippy::disallowed_methods, reason = \"a::b\")]\n a::b();\n}"));
    assert_none(&with("struct S { #[expect(clippy::disallowed_types, reason = \"a::b\")] f: a::b }"));
    for wrong in [
        "fn f() { a::b(); }",
        "fn f() { #[expect(clippy::disallowed_methods, reason = \"a::c\")] a::b(); }",
        "fn f() { #[expect(clippy::disallowed_methods, reason = \"a::b\")] a::c(); a::b(); }",
    ] {
        assert_one(&with(wrong), "clippy.toml:2: nothing shows that the ban of `a::b` bites; use it in");
    }
}

#[test]
fn a_ban_that_is_lifted_elsewhere_is_refused() {
    let lifting = |path: &str, how: &str| exceptions(&made_up(path, &format!("{how}\nfn f() {{}}")));
    let how = "#[expect(clippy::disallowed_methods, reason = \"it is faster\")]";
    assert_none(&lifting("modules/auth/src/tokens.rs", how));
    let here = "modules/user/src/profiles.rs";
    assert_one(&lifting(here, how), &format!("{here}:1: it lifts a ban of clippy.toml; do without"));
    assert_one(
        &lifting(here, "#![allow(dead_code, clippy::disallowed_types, reason = \"so\")]"),
        &format!("{here}:1:"),
    );
    assert_one(&lifting(here, "#[cfg_attr(not(test), expect(clippy::disallowed_macros))]"), &format!("{here}:1:"));
    assert_one(&lifting(here, "#[allow(clippy::style, reason = \"so\")]"), &format!("{here}:1:"));
    assert_none(&lifting(
        here,
        "#[cfg(test)]\nmod tests { #[expect(clippy::disallowed_types, reason = \"so\")] fn g() {} }",
    ));
    assert_none(&lifting(here, "#[expect(clippy::unwrap_used, reason = \"it was looked at\")]"));
}
