//! The server that the tests' databases are on: found or started once a process.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use embedded_postgres::{Error, Look, Options, Server};
use nix::{sys::statvfs::statvfs, unistd::geteuid};

use crate::logins::ORDINARY_LOGINS;

/// How much room a memory file system must have, in bytes.
const ROOM: u64 = 1 << 30;

/// A server to make databases on.
pub(crate) struct TestServer {
    /// A URL with `{}` in place of the database's name.
    template: String,
    /// Ends with the process, whatever way that ends.
    embedded: Option<Server>,
}

impl TestServer {
    /// The process's server.
    pub(crate) fn get() -> &'static Self {
        static SERVER: OnceLock<TestServer> = OnceLock::new();
        SERVER.get_or_init(|| {
            #[expect(
                clippy::disallowed_methods,
                reason = "the tests have no configuration; docs/testing.md lists what they read"
            )]
            let given = std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty());
            given.map_or_else(Self::embedded, |url| Self { template: with_placeholder(&url), embedded: None })
        })
    }

    fn embedded() -> Self {
        let server = first_free_slot(&base_folder());
        let (socket, user, port) = (server.socket_dir().display(), server.superuser(), server.port());
        let template = format!("postgres://{user}@localhost:{port}/{{}}?host={socket}&sslmode=disable");
        Self { template, embedded: Some(server) }
    }

    /// The URL of one of its databases.
    pub(crate) fn url(&self, database: &str) -> String {
        self.template.replacen("{}", database, 1)
    }

    /// The URL for another login.
    pub(crate) fn url_as(&self, login: &str, password: &str, database: &str) -> String {
        let url = self.url(database);
        let (scheme, rest) = url.split_once("://").unwrap();
        let (authority, rest) = rest.split_once('/').unwrap();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        format!("{scheme}://{login}:{password}@{host}/{rest}")
    }

    /// Whether nobody else uses this server: whatever is left on it belongs to dead runs.
    pub(crate) fn is_ours_alone(&self) -> bool {
        self.embedded.is_some()
    }
}

/// The URL with its database's name taken out.
fn with_placeholder(url: &str) -> String {
    let (url, query) = url.split_once('?').map_or((url, String::new()), |(url, query)| (url, format!("?{query}")));
    let after_host = url.find("://").and_then(|scheme| url[scheme + 3..].find('/').map(|slash| scheme + 3 + slash));
    format!("{}/{{}}{query}", &url[..after_host.unwrap_or(url.len())])
}

/// Where PostgreSQL is looked for, beside the usual places: what tests pass on.
pub fn search_path() -> Option<OsString> {
    #[expect(clippy::disallowed_methods, reason = "the tests have no configuration")]
    std::env::var_os("PATH")
}

/// Several test processes may run at once, each on a server of its own: a slot is taken by its lock.
///
/// Each version has slots of its own: data that another has written would be served by that one, or by none.
fn first_free_slot(base: &Path) -> Server {
    let options = |slot: String| Options {
        durable: false,
        max_connections: 300,
        further_roles: ORDINARY_LOGINS.map(str::to_owned).to_vec(),
        search_path: search_path(),
        ..Options::new(base.join(slot))
    };
    let newest = Look::at(options("none".into())).and_then(|look| look.installation());
    let newest = newest.unwrap_or_else(|error| panic!("the tests' database doesn't start: {error}")).major();
    for slot in 0.. {
        match Server::start(options(format!("slot-{newest}-{slot}"))) {
            Err(Error::InUse { .. }) => {}
            started => return started.unwrap_or_else(|error| panic!("the tests' database doesn't start: {error}")),
        }
    }
    unreachable!("a slot is free before the numbers run out")
}

/// In memory where there is room: a clone takes 20 ms instead of 200.
fn base_folder() -> PathBuf {
    let room = |path: &str| statvfs(path).is_ok_and(|fs| fs.blocks_available() * fs.fragment_size() >= ROOM);
    let parent = if room("/dev/shm") { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
    let base = parent.join(format!("tenantry-test-{}", geteuid()));
    // Passable, for as root the server runs as another user; each slot is closed to all but its own.
    match fs::DirBuilder::new().mode(0o711).create(&base) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => panic!("{}: {error}", base.display()),
        _ => {}
    }
    let metadata = fs::symlink_metadata(&base).unwrap();
    assert!(
        metadata.is_dir() && metadata.uid() == geteuid().as_raw(),
        "{} belongs to somebody else: remove it",
        base.display()
    );
    base
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_url_leaves_room_for_the_name_of_a_database() {
        for (url, expected) in [
            ("postgres://u:p@h:5432/d", "postgres://u:p@h:5432/{}"),
            ("postgres://u:p@h:5432", "postgres://u:p@h:5432/{}"),
            ("postgres://u@h/d?sslmode=disable", "postgres://u@h/{}?sslmode=disable"),
            ("postgres://u@localhost/d?host=/tmp/x", "postgres://u@localhost/{}?host=/tmp/x"),
        ] {
            assert_eq!(with_placeholder(url), expected);
        }
    }
}
