//! The database layer against a real server.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests look behind the queries, and provoke")]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod tcp_proxy;
mod migration_rules;
mod migrations;
mod startup_checks;
mod pooler;
mod single_statement_reads;
#[cfg(feature = "embedded")]
mod restore_swap;
mod row_level_security;
mod transactions;
