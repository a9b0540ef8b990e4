//! Small wrong programs, and what the compiler says to each. Its messages are part of what is offered here: each names
//! the mistake, and where it can what to do instead.
//!
//! - `crates/`: modules, components and proofs, as a crate beside the root package has them
//! - `handlers/`: handlers and the application, as the root package has them itself
//! - `banned.rs`: what compiles, and clippy refuses
//!
//! A case is a file that doesn't compile, and beside it what is said to that. After an intended change:
//! `TRYBUILD=overwrite cargo test -p compile-fail`, and read the difference.
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod banned;
mod handlers;
mod overrides;
mod rustc_output;
mod toolchain;

#[test]
fn invalid_wiring_fails_to_compile() {
    toolchain::assert_ci_toolchain();
    trybuild::TestCases::new().compile_fail("crates/*.rs");
}

#[test]
fn unguarded_handlers_fail_to_compile() {
    toolchain::assert_ci_toolchain();
    handlers::Cases::read().check();
}
