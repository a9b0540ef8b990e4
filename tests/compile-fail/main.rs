//! Compile-fail tests: invalid samples and the compiler's messages for them. The messages are part of the API. Each
//! names the mistake and, if possible, the fix.
//!
//! - `crates/`: modules, components and proofs, each compiled as a crate that depends on the root package
//! - `handlers/`: handlers and the application module, compiled inside the root package
//! - `banned.rs`: code that compiles, but is banned by clippy
//!
//! A case is a file that doesn't compile, with a golden file of the messages. After an intended change, run
//! `UPDATE_EXPECT=1 cargo test --workspace --test compile-fail` and review the diff.
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod banned;
mod cases;
mod compiler;
mod overrides;
mod rustc_output;
mod toolchain;

#[test]
fn invalid_wiring_fails_to_compile() {
    toolchain::assert_ci_toolchain();
    cases::check_crates();
}

#[test]
fn invalid_handlers_fail_to_compile() {
    toolchain::assert_ci_toolchain();
    cases::check_handlers();
}
