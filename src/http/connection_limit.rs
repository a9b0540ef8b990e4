//! How many connections may be open, so that descriptors remain for the database and for files.

use std::{io, num::NonZero, thread::available_parallelism};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::config::HttpConfig;

/// Descriptors per connection: the socket, and its duplicate in `ConnectionDeadline`.
const PER_CONNECTION: u64 = 2;
/// Descriptors per worker: its runtime.
const PER_WORKER: u64 = 8;
/// Other descriptors: standard streams, the listener, the main runtime, name resolution, an embedded server, files.
const OTHER: u64 = 32;

/// The number of workers, and of connections that each may have open. Further connections wait until one is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimit {
    pub(super) workers: usize,
    pub(super) per_worker: usize,
}

impl ConnectionLimit {
    /// Raises the soft limit of open files if necessary, and derives the limit of connections from it. `pool_size` is
    /// the number of connections to the database. Logs a warning if `HTTP_MAX_CONNECTIONS` can't be reached.
    ///
    /// # Errors
    /// Not even one connection per worker is possible.
    pub fn reserve(config: &HttpConfig, pool_size: u32) -> Result<Self, String> {
        let workers = config.workers.or_else(|| available_parallelism().ok()).map_or(1, NonZero::get);
        let reserved = OTHER + PER_WORKER * to_u64(workers) + u64::from(pool_size);
        let wanted = reserved + PER_CONNECTION * to_u64(config.max_connections);
        let open_files =
            raise_open_files(wanted).map_err(|error| format!("could not read the limit of open files: {error}"))?;
        let connections = open_files.saturating_sub(reserved) / PER_CONNECTION;
        if connections < to_u64(workers) {
            let needed = reserved + PER_CONNECTION * to_u64(workers);
            return Err(format!(
                "the limit of open files is {open_files}, but at least {needed} are needed: raise it, for example with \
                 ulimit -n {wanted}, or lower DB_POOL_SIZE or HTTP_WORKERS"
            ));
        }
        let connections = usize::try_from(connections).unwrap_or(usize::MAX).min(config.max_connections);
        if connections < config.max_connections {
            tracing::warn!(
                "the limit of open files is {open_files}, which suffices for {connections} connections; for \
                 HTTP_MAX_CONNECTIONS, raise it to {wanted}"
            );
        }
        Ok(Self { workers, per_worker: (connections / workers).max(1) })
    }
}

fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Raises the soft limit to `wanted`, or as far as the hard limit allows. Returns the limit that applies then.
fn raise_open_files(wanted: u64) -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let raised = wanted.min(hard);
    if raised <= soft {
        return Ok(soft);
    }
    // If the system rejects the new limit, the old one suffices for fewer connections.
    Ok(setrlimit(Resource::RLIMIT_NOFILE, raised, hard).map_or(soft, |()| raised))
}
