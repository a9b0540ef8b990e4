//! The rules of ARCHITECTURE.md that neither the type system nor clippy can check. Each rule is a function from text to
//! violations, with one test that this workspace has none, and tests that small invalid samples are rejected.
//!
//! Sources are read file by file, without macro expansion. Imports are resolved, renamed or not ([`path_resolution`]);
//! only [`import_cycles`] follows re-exports to other files. Rules that the compiler or `clippy.toml` enforce aren't
//! repeated here; [`lints`] and [`clippy_bans`] check that they are enabled.
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod boundaries;
mod clippy_bans;
mod commits;
mod crate_graph;
mod doc_references;
mod import_cycles;
mod licenses;
mod line_endings;
mod lints;
mod migrations;
mod module_doc_table;
mod path_resolution;
mod plain_language;
mod production_build;
mod reviewed_enums;
mod scoped_statements;
mod secrets;
mod shaku_parameters;
mod sources;
mod sql;
mod sqlx_cache;
mod statements;
mod tenant_filter;
mod test_support;
mod violation;
