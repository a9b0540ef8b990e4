//! Line endings. A shell script with CRLF doesn't run, and files with checksums and golden files are compared byte by
//! byte.

use std::fs;

use crate::{
    sources::{files_in, list_dir, read, root},
    violation::{Violation, assert_no_violations, assert_one_violation},
};

const HELP: &str = "write LF line endings; a fresh checkout has them, since .gitattributes says so";

/// Folders whose files are in git.
const FOLDERS: [&str; 12] =
    [".cargo", ".ci", ".github", ".sqlx", "docs", "migrations", "modules", "scripts", "seeds", "src", "tests", "tools"];

fn violation(path: &str, bytes: &[u8]) -> Option<Violation> {
    let line = bytes.split(|byte| *byte == b'\n').position(|line| line.ends_with(b"\r"))?;
    Some(Violation::new(path, line + 1, "ends with CRLF", HELP))
}

#[test]
fn text_files_have_lf_line_endings() {
    assert!(read(".gitattributes").text.lines().any(|line| line == "* text=auto eol=lf"), ".gitattributes pins no LF");
    let files = list_dir(".").into_iter().filter(|name| root().join(name).is_file());
    let files = files.chain(FOLDERS.iter().flat_map(|folder| files_in(folder)));
    let violations: Vec<_> =
        files.filter_map(|path| violation(&path, &fs::read(root().join(&path)).unwrap())).collect();
    assert_no_violations(&violations);
}

#[test]
fn carriage_return_is_rejected() {
    assert_one_violation(&violation("a.sh", b"#!/bin/sh\necho one\r\n").into_iter().collect::<Vec<_>>(), "a.sh:2: ");
}
