//! Tests of the crate db with a PostgreSQL server.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests inspect the database directly and provoke errors"
)]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

#[cfg(feature = "embedded")]
mod database_failures;
mod deployments;
mod migration_rules;
mod migrations;
mod pooler;
#[cfg(feature = "embedded")]
mod restore_swap;
mod row_level_security;
mod session_settings;
mod single_statement_reads;
mod startup_checks;
mod tcp_proxy;
mod tls;
mod transactions;
