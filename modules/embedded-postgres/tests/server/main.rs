//! The rules of the embedded server, each provoked on real processes.
//!
//! The tests pass as root and as an ordinary user. What only root can show is left out otherwise, and says so.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
#[cfg(feature = "download")]
mod archives;
#[cfg(feature = "download")]
mod download;
mod folders;
mod installations;
mod leftovers;
mod life;
mod look;
#[cfg(feature = "download")]
mod releases;
mod support;
mod torture;
