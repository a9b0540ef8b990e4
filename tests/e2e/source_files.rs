//! The files of the repository, which some tests compare with the program.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::process::assert_success;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads a file, given its path in the repository.
pub(crate) fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Returns the files below a directory, in the order of their paths.
pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let files = |path: PathBuf| if path.is_dir() { files_below(&path) } else { vec![path] };
    sorted_entries(dir).into_iter().flat_map(files).collect()
}

/// Returns the entries of a directory, in the order of their names.
pub(crate) fn sorted_entries(dir: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

/// Returns whether the test is run by `just update-docs`, which writes the generated files instead of only comparing
/// them.
pub(crate) fn is_update() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some()
}

/// Runs cargo in the repository and returns its standard output.
pub(crate) fn cargo(arguments: &[&str]) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    assert_success(&cargo.args(arguments).args(["--offline", "--locked"]).current_dir(root()).output().unwrap())
}
