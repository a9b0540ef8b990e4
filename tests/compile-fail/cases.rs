//! The cases, each with a golden file of the compiler's errors.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    process::Command,
};

use crate::compiler;

const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// The folder of the root package that the cases in `handlers/` are added to.
const HANDLERS_DIR: &str = "src/http/handlers";

/// Compiles each case in `crates/`, and compares the errors with its golden file.
pub(crate) fn check_crates() {
    let cases = names("crates").into_iter().map(|name| format!("crates/{name}.rs"));
    let errors = cases.flat_map(|case| compiler::errors(Path::new(PACKAGE), &case)).collect();
    check("crates", "crates", errors);
}

/// Compiles all cases in `handlers/` inside a copy of the root package, and compares the errors with the golden files.
///
/// Handlers use items that are private to the root package, so no other crate can contain one. The root package itself
/// contains nothing for these tests.
pub(crate) fn check_handlers() {
    let copy = tempfile::tempdir().unwrap();
    let copied = Command::new("cp").args(["-r", &format!("{PACKAGE}/../../src")]).arg(copy.path()).status().unwrap();
    assert!(copied.success());
    let handlers = copy.path().join(HANDLERS_DIR);
    let mut mod_file = OpenOptions::new().append(true).open(handlers.join("mod.rs")).unwrap();
    for name in names("handlers") {
        fs::copy(format!("{PACKAGE}/handlers/{name}.rs"), handlers.join(format!("{name}.rs"))).unwrap();
        writeln!(mod_file, "mod {name};").unwrap();
    }
    check("handlers", HANDLERS_DIR, compiler::errors(copy.path(), "src/lib.rs"));
}

/// Fails unless the errors of each case match its golden file, and no other file has errors. With `UPDATE_EXPECT=1`,
/// writes the golden files instead.
fn check(cases: &str, compiled_dir: &str, mut errors: BTreeMap<String, String>) {
    let mut failures = String::new();
    for name in names(cases) {
        let golden = format!("{PACKAGE}/{cases}/{name}.stderr");
        let Some(actual) = errors.remove(&format!("{compiled_dir}/{name}.rs")) else {
            writeln!(failures, "{name}.rs compiles, but must not").unwrap();
            continue;
        };
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if is_update() {
            fs::write(golden, actual).unwrap();
        } else if actual != expected {
            let help = "if this is intended, run UPDATE_EXPECT=1 cargo test --workspace --test compile-fail";
            writeln!(
                failures,
                "the errors of {name}.rs have changed; {help}\n\nACTUAL\n{actual}\nEXPECTED\n{expected}"
            )
            .unwrap();
        }
    }
    for (file, errors) in errors {
        writeln!(failures, "unexpected errors in {file}:\n{errors}").unwrap();
    }
    assert!(failures.is_empty(), "\n{failures}");
}

/// Returns the names of the cases in a folder.
fn names(cases: &str) -> Vec<String> {
    let files = fs::read_dir(format!("{PACKAGE}/{cases}")).unwrap().map(|file| file.unwrap().file_name());
    let files = files.map(|file| file.into_string().unwrap());
    let mut names: Vec<String> = files.filter_map(|file| Some(file.strip_suffix(".rs")?.to_owned())).collect();
    names.sort();
    names
}

#[expect(clippy::disallowed_methods, reason = "a setting of the tests, not of the server")]
fn is_update() -> bool {
    std::env::var_os("UPDATE_EXPECT").is_some()
}
