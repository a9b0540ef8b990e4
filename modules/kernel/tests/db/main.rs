//! The database layer against a real server.
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod migrations;
mod opening;
mod row_level_security;
mod ways_in;
