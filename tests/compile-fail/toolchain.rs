//! The golden files belong to one compiler version, because messages differ between versions.

use std::{fs, path::Path, process::Command};

/// The workflow that sets the compiler version of CI.
const CI_WORKFLOW: &str = "../../.github/workflows/ci.yml";

/// Fails with an explanation if the compiler isn't the version that CI uses.
pub(crate) fn assert_ci_toolchain() {
    let workflow = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(CI_WORKFLOW)).unwrap();
    let rustc = Command::new("rustc").arg("--version").output().unwrap();
    if let Err(message) = compare(&workflow, &String::from_utf8_lossy(&rustc.stdout)) {
        panic!("{message}");
    }
}

/// Returns the toolchain that a workflow uses.
fn toolchain(workflow: &str) -> Result<&str, &'static str> {
    let named = workflow.lines().find_map(|line| line.trim().strip_prefix("RUSTUP_TOOLCHAIN: "));
    named.map(|version| version.trim_matches('"')).ok_or("the workflow doesn't set RUSTUP_TOOLCHAIN")
}

fn compare(workflow: &str, rustc: &str) -> Result<(), String> {
    let expected = toolchain(workflow)?;
    let version = rustc.split(' ').nth(1).unwrap_or_default();
    if version == expected || version.starts_with(&format!("{expected}.")) {
        return Ok(());
    }
    Err(format!(
        "the golden files in tests/compile-fail are for Rust {expected}, which CI uses; this is {}.\n\
         Either use that version: RUSTUP_TOOLCHAIN={expected} cargo test --workspace --test compile-fail\n\
         or skip these tests: cargo test --workspace -- --skip to_compile\n\
         or upgrade: change RUSTUP_TOOLCHAIN in .github/workflows, rust-version in Cargo.toml and the README, and \
         regenerate the golden files with UPDATE_EXPECT=1 cargo test --workspace --test compile-fail",
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
        assert!(message.contains("RUSTUP_TOOLCHAIN=1.95 cargo test --workspace --test compile-fail"), "{message}");
        assert!(message.contains("--skip to_compile") && message.contains("UPDATE_EXPECT=1"), "{message}");
    }
    assert!(compare("env:\n", "rustc 1.95.0").is_err());
}

/// CI must build with the documented minimum version.
#[test]
fn msrv_matches_ci() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let manifest = read("Cargo.toml");
    let msrv = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    for workflow in ["ci.yml", "db-tests.yml"] {
        let text = read(&format!(".github/workflows/{workflow}"));
        assert_eq!(toolchain(&text), Ok(msrv), "Cargo.toml's rust-version and {workflow}'s RUSTUP_TOOLCHAIN differ");
    }
    let expected = format!("- Rust {msrv} or newer");
    assert!(read("README.md").contains(&expected), "README.md must contain {expected:?}");
}
