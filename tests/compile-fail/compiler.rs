//! Runs the compiler with the libraries that cargo has built for the tests.

use std::{collections::BTreeMap, path::Path, process::Command, sync::LazyLock};

use crate::rustc_output::Diagnostic;

/// Returns the compiler's errors by source file. Paths are relative to the folder.
pub(crate) fn errors(folder: &Path, crate_root: &str) -> BTreeMap<String, String> {
    static OPTIONS: LazyLock<Vec<String>> = LazyLock::new(root_package_options);
    let output = Command::new("rustc")
        .current_dir(folder)
        .args([crate_root, "--edition=2024", "--crate-type=lib", "--emit=metadata"])
        .args(["--out-dir", env!("CARGO_TARGET_TMPDIR")])
        .args(["--error-format=json", "--diagnostic-width=140", "--verbose"])
        .args(&*OPTIONS)
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let mut errors: BTreeMap<String, String> = BTreeMap::new();
    for diagnostic in stderr.lines().filter_map(Diagnostic::parse) {
        let normalized = diagnostic.normalized();
        let text = errors.entry(diagnostic.file).or_default();
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&normalized);
    }
    assert_eq!(output.status.success(), errors.is_empty(), "the compiler failed without a source location:\n{stderr}");
    errors
}

/// Returns the options `--extern`, `-L` and `--cfg` of the root package's documentation tests, which depend on the
/// package and on all of its dependencies.
///
/// Cargo passes these options to the program in `RUSTDOC`, here `echo`. After `cargo test --workspace`, it has nothing
/// to build: the features are the same, and so are the flags (`build-override` in the root manifest). After
/// `cargo test -p compile-fail`, it may have to build libraries first.
fn root_package_options() -> Vec<String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--doc", "--workspace"]).env("RUSTDOC", "echo");
    #[expect(clippy::disallowed_methods, reason = "cargo set these variables for this test; they would cause rebuilds")]
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    let output = cargo.output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let Some(line) = stdout.lines().find(|line| line.contains(" --crate-name tenantry ")) else {
        panic!("cargo failed:\n{}", String::from_utf8_lossy(&output.stderr));
    };
    let options = line.split(" -").filter_map(|option| option.split_once(' '));
    let options = options.filter(|(name, _)| ["-extern", "L", "-cfg"].contains(name));
    options.flat_map(|(name, value)| [format!("-{name}"), value.to_owned()]).collect()
}
