//! Messages belong to a compiler: the next one may say the same in other words.

use std::{fs, path::Path, process::Command};

/// Where CI says which compiler it uses.
const CI_WORKFLOW: &str = "../../.github/workflows/ci.yml";

/// Fails on a compiler that isn't CI's, before it is the messages that differ.
pub(crate) fn assert_ci_toolchain() {
    let workflow = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(CI_WORKFLOW)).unwrap();
    let rustc = Command::new("rustc").arg("--version").output().unwrap();
    if let Err(message) = compare(&workflow, &String::from_utf8_lossy(&rustc.stdout)) {
        panic!("{message}");
    }
}

/// The toolchain that a workflow uses.
fn toolchain(workflow: &str) -> Result<&str, &'static str> {
    let named = workflow.lines().find_map(|line| line.trim().strip_prefix("RUSTUP_TOOLCHAIN: "));
    named.map(|version| version.trim_matches('"')).ok_or("the workflow names no RUSTUP_TOOLCHAIN")
}

fn compare(workflow: &str, rustc: &str) -> Result<(), String> {
    let wanted = toolchain(workflow)?;
    let version = rustc.split(' ').nth(1).unwrap_or_default();
    if version == wanted || version.starts_with(&format!("{wanted}.")) {
        return Ok(());
    }
    Err(format!(
        "the messages in tests/compile-fail are those of Rust {wanted}, which CI uses; this is {}.\n\
         Either use that one: RUSTUP_TOOLCHAIN={wanted} cargo test -p compile-fail\n\
         or leave the messages out: cargo test --workspace -- --skip to_compile\n\
         or move to this one on purpose: RUSTUP_TOOLCHAIN in .github/workflows, rust-version in Cargo.toml, the README, \
         and the messages by TRYBUILD=overwrite cargo test -p compile-fail",
        rustc.trim()
    ))
}

#[test]
fn toolchain_mismatch_has_hint() {
    let workflow = "env:\n  RUSTUP_TOOLCHAIN: \"1.95\"\n";
    for same in ["rustc 1.95.0 (59807616e 2026-04-14)", "rustc 1.95.1"] {
        assert_eq!(compare(workflow, same), Ok(()));
    }
    for other in ["rustc 1.9.5", "rustc 1.950.0", "rustc 1.96.0-nightly (c0ffee 2026-05-01)", ""] {
        let message = compare(workflow, other).unwrap_err();
        assert!(message.contains("RUSTUP_TOOLCHAIN=1.95 cargo test -p compile-fail"), "{message}");
        assert!(message.contains("--skip to_compile") && message.contains("TRYBUILD=overwrite"), "{message}");
    }
    assert!(compare("env:\n", "rustc 1.95.0").is_err());
}

/// What isn't built with the oldest Rust that is promised isn't promised.
#[test]
fn msrv_matches_ci() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let manifest = read("Cargo.toml");
    let promised = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    for workflow in ["ci.yml", "db-tests.yml"] {
        let used = read(&format!(".github/workflows/{workflow}"));
        assert_eq!(
            toolchain(&used),
            Ok(promised),
            "Cargo.toml's rust-version and {workflow}'s RUSTUP_TOOLCHAIN differ"
        );
    }
    let needed = format!("- Rust {promised} or newer");
    assert!(read("README.md").contains(&needed), "the README doesn't say {needed:?}");
}
