//! What a production build is made of. The tests of this name run cargo.

use std::process::Command;

use crate::sources::root;

/// What cargo prints.
pub(crate) fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The names of a tree's packages, sorted, each once. Versions come and go with updates; a name is a decision.
fn names(tree: &str) -> String {
    let mut names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    names.sort_unstable();
    names.dedup();
    names.join("\n")
}

/// The tree of a production build, for one platform, whichever this is: the others have a few crates more or less.
fn tree(edges: &str) -> String {
    let platform = "x86_64-unknown-linux-gnu";
    let package = ["tree", "--offline", "--locked", "--package", "tenantry", "--no-default-features"];
    let form = ["--target", platform, "--edges", edges, "--prefix", "none", "--format", "{p}"];
    cargo(&[package.as_slice(), &form].concat())
}

/// The names of the second tree that the first one doesn't have.
fn extra_names(names: &str, more: &str) -> String {
    let more = more.lines().filter(|name| !names.lines().any(|known| known == *name));
    more.collect::<Vec<_>>().join("\n")
}

#[test]
fn production_dependencies_snapshot() {
    insta::with_settings!({
        omit_expression => true,
        prepend_module_to_snapshot => false,
        description => "The crates of a production build. Is the new one worth it, and who maintains it? Accept it by \
                        INSTA_UPDATE=always cargo test -p arch-lint production_build",
    }, {
        insta::assert_snapshot!(names(&tree("normal")));
    });
}

#[test]
fn build_scripts_snapshot() {
    insta::with_settings!({
        omit_expression => true,
        prepend_module_to_snapshot => false,
        description => "What build scripts are made of, beside the crates of the build. It runs on every machine that \
                        builds. Is the new one worth it, and who maintains it? Accept it by \
                        INSTA_UPDATE=always cargo test -p arch-lint production_build",
    }, {
        insta::assert_snapshot!(extra_names(&names(&tree("normal")), &names(&tree("normal,build"))));
    });
}

#[test]
fn dependency_list_ignores_versions() {
    let before = "tenantry v0.1.0 (/somewhere)\nserde v1.0.0\nuuid v1.0.0\nserde v1.0.0 (*)";
    assert_eq!(names(before), "serde\ntenantry\nuuid");
    assert_eq!(names(&before.replace("1.0.0", "1.0.1")), names(before));
    assert_ne!(names(&format!("{before}\nleft-pad v1.0.0")), names(before));
    assert_eq!(extra_names("serde\nuuid", "cc\nserde\nuuid\nzip"), "cc\nzip");
}
