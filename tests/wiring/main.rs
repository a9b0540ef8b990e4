//! Small wrong programs, and what the compiler says to each. Its messages are part of what is offered here: each names
//! the mistake, and where it can what to do instead.
//!
//! - `outside/`: modules, components and proofs, as a crate beside the root package has them
//! - `inside/`: handlers and the application, as the root package has them itself
//! - `banned.rs`: what compiles, and clippy refuses
//!
//! A case is a file that doesn't compile, and beside it what is said to that. After an intended change:
//! `TRYBUILD=overwrite cargo test -p wiring-tests`, and read the difference.
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod banned;
mod inside;
mod message;
mod overrides;
mod toolchain;

#[test]
fn a_module_that_is_wired_wrongly_does_not_compile() {
    toolchain::assert_that_of_ci();
    trybuild::TestCases::new().compile_fail("outside/*.rs");
}

#[test]
fn a_handler_that_could_go_round_the_proofs_does_not_compile() {
    toolchain::assert_that_of_ci();
    inside::Cases::read().check();
}
