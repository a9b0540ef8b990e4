//! A PostgreSQL server as a child process, reachable only through a Unix socket.
//!
//! ```no_run
//! # fn main() -> Result<(), embedded_postgres::Error> {
//! let mut options = embedded_postgres::Options::new("data/postgres");
//! options.search_path = std::env::var_os("PATH");
//! let server = embedded_postgres::Server::start(options)?;
//! if server.needs_setup() {
//!     // create roles, load demo data, …
//!     server.mark_initialized()?;
//! }
//! println!("psql -h {} -p {} -U {}", server.socket_dir().display(), server.port(), server.superuser());
//! server.stop()
//! # }
//! ```
//!
//! [`Server::start`] runs these steps (module names in parentheses):
//!
//! 1. Choose the operating system user that runs the server; never root (`server_user`).
//! 2. Find the installed PostgreSQL versions (`discovery`, `installation`).
//! 3. Create and lock the directory, which only one process may use at a time (`layout`).
//! 4. Stop whatever a killed run has left behind (`orphan`, `proc_table`, `pid_file`).
//! 5. Create the data directory with `initdb`, if there is none, and configure authentication (`data_dir`).
//! 6. Run the server so that it stops together with this process, even after SIGKILL (`process`).
//!
//! [`Inspection`] reports the state of a directory without changing anything (`inspect`). [`ConnectionInfo`] runs the
//! client programs of the installation against a server (`client_tools`). With the feature `download`, PostgreSQL is
//! downloaded if none is installed (`download`); nothing else uses the network.
//!
//! Not supported, on purpose:
//!
//! - TCP connections: the server listens only on the socket.
//! - Passwords: authentication is by operating system user.
//! - Environment variables: none is read, and none is passed to the server.
//! - Asynchronous calls: starting and stopping block the calling thread, limited by the timeouts in [`Options`].

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
mod pid_file;
mod poll;
mod proc_table;
mod process;
mod server;
mod server_user;

pub use client_tools::ConnectionInfo;
#[cfg(feature = "download")]
pub use download::{DownloadOptions, Progress, Proxy, Step};
pub use error::Error;
pub use inspect::{Inspection, OwnerProcess, RunningServer, ServerState};
pub use installation::Installation;
pub use options::Options;
pub use server::Server;

/// Compiles the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
