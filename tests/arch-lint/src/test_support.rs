//! The test fixtures re-export nothing of the modules: tests would reach another module's implementation through them,
//! although its crate isn't among their dependencies.

use crate::{
    lints::{member_manifests, parse_toml},
    path_resolution::PathResolver,
    sources::{Source, fake_source, for_each_token_list, is_ident, is_punct, rust_files_in, tokens, word},
    violation::{Violation, assert_all_pass, assert_no_violations, assert_one_violation},
};

/// Returns the names of the workspace's crates in paths.
fn crate_names() -> Vec<String> {
    let manifests = member_manifests();
    let names = manifests
        .iter()
        .filter_map(|manifest| Some(parse_toml(manifest).get("package")?.get("name")?.as_str()?.replace('-', "_")));
    names.collect()
}

/// Finds what a file of the fixtures re-exports of other crates.
fn violations(source: &Source, crates: &[String]) -> Vec<Violation> {
    let stream = tokens(source);
    // A module of the fixtures themselves may have the name of a crate.
    let mut own = Vec::new();
    for_each_token_list(stream.clone(), &mut |list| {
        own.extend((0..list.len()).filter(|at| is_ident(list, *at, "mod")).filter_map(|at| word(list, at + 1)));
    });
    let help = "resolve the interface in the test, or add the crate to its dependencies, which arch-lint checks";
    let mut violations = Vec::new();
    for path in PathResolver::of(stream.clone()).paths.iter().filter(|path| path.is_reexport) {
        if crates.contains(&path.path[0]) && !own.contains(&path.path[0]) {
            let problem = format!("re-exports `{}`", path.path.join("::"));
            violations.push(Violation::new(&source.path, path.line, problem, help));
        }
    }
    for_each_token_list(stream, &mut |list| {
        for at in 0..list.len() {
            // `pub type Users = user::PgUsers;` and `pub extern crate user;`
            let is_alias =
                is_ident(list, at, "pub") && (is_ident(list, at + 1, "type") || is_ident(list, at + 1, "extern"));
            let end = list[at..].iter().take_while(|token| token.to_string() != ";").count();
            let named = (at..at + end).filter_map(|at| word(list, at)).find(|name| crates.contains(name));
            if let Some(name) = named.filter(|name| is_alias && !own.contains(name) && !is_punct(list, at, '#')) {
                let line = crate::sources::line(&list[at]);
                violations.push(Violation::new(&source.path, line, format!("re-exports an item of `{name}`"), help));
            }
        }
    });
    violations
}

#[test]
fn fixtures_reexport_no_module() {
    let crates = crate_names();
    assert!(crates.contains(&"authorization".to_owned()), "{crates:?}");
    assert_all_pass(|source| violations(source, &crates), &rust_files_in("tests/support/src"));
}

#[test]
fn reexport_by_fixtures_is_rejected() {
    let crates = ["authorization".to_owned(), "auth".to_owned()];
    let violations = |text: &str| violations(&fake_source("tests/support/src/lib.rs", text), &crates);
    assert_no_violations(&violations(
        "mod auth; pub use auth::Request; use authorization::X; pub type Id = uuid::Uuid;",
    ));
    for text in [
        "pub use authorization::AuthorizationModule;",
        "pub use authorization as inner;",
        "pub use authorization::*;",
        "use authorization::seed; pub use seed::run;",
        "pub type Module = authorization::AuthorizationModule;",
        "pub extern crate authorization;",
    ] {
        assert_one_violation(&violations(text), "tests/support/src/lib.rs:1: re-exports ");
    }
}
