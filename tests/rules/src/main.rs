//! The rules of ARCHITECTURE.md that neither the type system nor a lint can hold, each as a function from text to
//! findings. Beside it are the test that finds nothing in this workspace, and the tests that feed it small wrong programs.
//!
//! The sources are read as they are written, file by file: imports are followed, renamed or not ([`names`]); what another
//! crate's macro makes of them, and what another file exports anew, isn't seen. What the compiler or `clippy.toml` refuses
//! already isn't asked here again; [`lints`] and [`bans`] ask whether they are on.
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod bans;
mod boundaries;
mod canvas;
mod descriptions;
mod fences;
mod finding;
mod graph;
mod lints;
mod migrations;
mod names;
mod parameters;
mod production_build;
mod sources;
mod sql;
mod statements;
mod tenant_filter;
