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

#[test]
fn a_production_build_depends_on_what_was_reviewed() {
    // For one platform, whichever this is: the others have a few crates more or less.
    let platform = "x86_64-unknown-linux-gnu";
    let tree = cargo(&[
        "tree",
        "--offline",
        "--locked",
        "--package",
        "tenantry",
        "--no-default-features",
        "--target",
        platform,
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    insta::with_settings!({
        omit_expression => true,
        prepend_module_to_snapshot => false,
        description => "The crates of a production build. Is the new one worth it, and who maintains it? Accept it by \
                        INSTA_UPDATE=always cargo test -p rules production_build",
    }, {
        insta::assert_snapshot!(names(&tree));
    });
}

#[test]
fn a_new_dependency_shows_in_the_list_and_a_new_version_does_not() {
    let before = "tenantry v0.1.0 (/somewhere)\nserde v1.0.0\nuuid v1.0.0\nserde v1.0.0 (*)";
    assert_eq!(names(before), "serde\ntenantry\nuuid");
    assert_eq!(names(&before.replace("1.0.0", "1.0.1")), names(before));
    assert_ne!(names(&format!("{before}\nleft-pad v1.0.0")), names(before));
}
