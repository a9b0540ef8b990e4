//! Messages belong to a compiler: the next one may say the same in other words.

use std::{fs, path::Path, process::Command};

/// Where CI says which compiler it uses.
const WORKFLOW: &str = "../../.github/workflows/ci.yml";

/// Fails on a compiler that isn't CI's, before it is the messages that differ.
pub(crate) fn assert_that_of_ci() {
    let workflow = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(WORKFLOW)).unwrap();
    let rustc = Command::new("rustc").arg("--version").output().unwrap();
    if let Err(message) = compare(&workflow, &String::from_utf8_lossy(&rustc.stdout)) {
        panic!("{message}");
    }
}

fn compare(workflow: &str, rustc: &str) -> Result<(), String> {
    let wanted = workflow.lines().find_map(|line| line.trim().strip_prefix("RUSTUP_TOOLCHAIN: "));
    let wanted = wanted.ok_or("ci.yml names no RUSTUP_TOOLCHAIN")?.trim_matches('"');
    let version = rustc.split(' ').nth(1).unwrap_or_default();
    if version == wanted || version.starts_with(&format!("{wanted}.")) {
        return Ok(());
    }
    Err(format!(
        "the messages in tests/wiring are those of Rust {wanted}, which CI uses; this is {}.\n\
         Either use that one: RUSTUP_TOOLCHAIN={wanted} cargo test -p wiring-tests\n\
         or move CI to this one on purpose: RUSTUP_TOOLCHAIN in .github/workflows, and the messages by \
         TRYBUILD=overwrite cargo test -p wiring-tests",
        rustc.trim()
    ))
}

#[test]
fn another_toolchain_than_that_of_ci_is_told_what_to_do() {
    let workflow = "env:\n  RUSTUP_TOOLCHAIN: \"1.95\"\n";
    for same in ["rustc 1.95.0 (59807616e 2026-04-14)", "rustc 1.95.1"] {
        assert_eq!(compare(workflow, same), Ok(()));
    }
    for other in ["rustc 1.9.5", "rustc 1.950.0", "rustc 1.96.0-nightly (c0ffee 2026-05-01)", ""] {
        let message = compare(workflow, other).unwrap_err();
        assert!(message.contains("RUSTUP_TOOLCHAIN=1.95 cargo test -p wiring-tests"), "{message}");
        assert!(message.contains("TRYBUILD=overwrite"), "{message}");
    }
    assert!(compare("env:\n", "rustc 1.95.0").is_err());
}
