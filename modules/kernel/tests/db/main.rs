//! The database layer against a real server.

mod migrations;
mod opening;
mod row_level_security;
mod ways_in;
