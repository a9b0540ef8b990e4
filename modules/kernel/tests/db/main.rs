//! The database layer against a real server.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests look behind the queries, and provoke")]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod between;
mod migration_rules;
mod migrations;
mod opening;
mod pooler;
mod reads;
#[cfg(feature = "embedded")]
mod replacing;
mod row_level_security;
mod ways_in;
