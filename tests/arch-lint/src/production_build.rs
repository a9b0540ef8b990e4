//! The dependencies of a production build. The tests in this file run cargo.

use std::process::Command;

use crate::sources::root;

/// Runs cargo and returns its output.
pub(crate) fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the sorted, unique package names of a tree. Versions are left out, so that updates don't change the
/// snapshot.
fn package_names(tree: &str) -> String {
    let mut names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    names.sort_unstable();
    names.dedup();
    names.join("\n")
}

/// Returns the dependency tree of a production build, always for the same platform, since platforms differ slightly.
fn tree(edges: &str) -> String {
    let platform = "x86_64-unknown-linux-gnu";
    let package = ["tree", "--offline", "--locked", "--package", "tenantry", "--no-default-features"];
    let format = ["--target", platform, "--edges", edges, "--prefix", "none", "--format", "{p}"];
    cargo(&[package.as_slice(), &format].concat())
}

/// Returns the names in `more` that aren't in `names`.
fn extra_names(names: &str, more: &str) -> String {
    let more = more.lines().filter(|name| !names.lines().any(|known| known == *name));
    more.collect::<Vec<_>>().join("\n")
}

/// Compares with a snapshot that a reviewer accepts.
fn assert_snapshot(name: &str, crates: &str, text: &str) {
    let review = "Is a new one worth it, and who maintains it? Accept it with INSTA_UPDATE=always cargo test -p arch-lint \
                  production_build";
    insta::with_settings!({
        omit_expression => true,
        prepend_module_to_snapshot => false,
        description => format!("{crates} {review}"),
    }, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "cargo has downloaded no crates that are only used on Linux")]
fn production_dependencies_snapshot() {
    let crates = "The crates of a production build.";
    assert_snapshot("production_dependencies_snapshot", crates, &package_names(&tree("normal")));
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "cargo has downloaded no crates that are only used on Linux")]
fn build_scripts_snapshot() {
    let crates = "Build dependencies that aren't crates of the build itself. They run on every machine that builds.";
    let extra = extra_names(&package_names(&tree("normal")), &package_names(&tree("normal,build")));
    assert_snapshot("build_scripts_snapshot", crates, &extra);
}

#[test]
fn dependency_list_ignores_versions() {
    let before = "tenantry v0.1.0 (/somewhere)\nserde v1.0.0\nuuid v1.0.0\nserde v1.0.0 (*)";
    assert_eq!(package_names(before), "serde\ntenantry\nuuid");
    assert_eq!(package_names(&before.replace("1.0.0", "1.0.1")), package_names(before));
    assert_ne!(package_names(&format!("{before}\nleft-pad v1.0.0")), package_names(before));
    assert_eq!(extra_names("serde\nuuid", "cc\nserde\nuuid\nzip"), "cc\nzip");
}
