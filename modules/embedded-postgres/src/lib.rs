#![doc = include_str!("../README.md")]
//! ## Modules
//!
//! [`Server::start`] runs these steps (module names in parentheses):
//!
//! 1. Choose the operating system user that runs the server; never root (`server_user`).
//! 2. Find the installed PostgreSQL versions (`discovery`, `installation`).
//! 3. Create and lock the directory, which only one process may use at a time (`layout`).
//! 4. Stop whatever a killed run has left behind (`orphan`, `proc_table`).
//! 5. Create the data directory with `initdb`, if there is none, and configure authentication (`data_dir`).
//! 6. Run the server so that it stops together with this process, even after SIGKILL (`process`).
//!
//! [`Inspection`] reports the state of a directory without changing anything (`inspect`). [`ConnectionInfo`] runs the
//! client programs of the installation against a server (`client_tools`). With the feature `download`, PostgreSQL is
//! downloaded if none is installed (`download`); nothing else uses the network.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod client_tools;
mod data_dir;
mod discovery;
#[cfg(feature = "download")]
mod download;
mod error;
mod inspect;
mod installation;
mod layout;
mod options;
mod orphan;
mod proc_table;
mod process;
mod server;
mod server_user;
mod system;

pub use client_tools::ConnectionInfo;
#[cfg(feature = "download")]
pub use download::options::{DownloadOptions, Progress, Proxy, Step};
pub use error::Error;
pub use inspect::{Inspection, OwnerProcess, RunningServer, ServerState};
pub use installation::Installation;
pub use options::Options;
pub use server::Server;
