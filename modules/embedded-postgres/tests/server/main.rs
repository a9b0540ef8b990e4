//! Integration tests of the embedded server, with real processes.
//!
//! They pass as root and as an ordinary user. Tests that require root print a note and are skipped otherwise.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
#[cfg(feature = "download")]
mod archives;
mod crash_recovery;
#[cfg(feature = "download")]
mod download;
mod inspect;
mod installations;
mod layout;
mod lifecycle;
mod orphans;
#[cfg(feature = "download")]
mod release_server;
mod support;
