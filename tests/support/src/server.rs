//! The PostgreSQL server of the test databases, chosen or started once per process.

use std::{
    env::{join_paths, split_paths},
    ffi::OsString,
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{LazyLock, OnceLock},
};

use embedded_postgres::{DownloadOptions, Error, Installation, Options, Progress, Server};
use nix::{sys::statvfs::statvfs, unistd::geteuid};

/// Login of the owner in tests with separate logins.
pub(crate) const OWNER_LOGIN: &str = "tenantry_test_owner";
/// Login of the application in the same tests.
pub(crate) const APP_LOGIN: &str = "tenantry_test_login";
/// The same logins of another database in the same server.
pub(crate) const OTHER_OWNER_LOGIN: &str = "tenantry_test_other_owner";
pub(crate) const OTHER_APP_LOGIN: &str = "tenantry_test_other_login";
/// Login for backups in the same tests.
pub(crate) const BACKUP_LOGIN: &str = "tenantry_test_backup";
/// Logins that the embedded test server accepts besides its superuser.
pub(crate) const TEST_LOGINS: [&str; 5] = [OWNER_LOGIN, APP_LOGIN, OTHER_OWNER_LOGIN, OTHER_APP_LOGIN, BACKUP_LOGIN];

/// Free space, in bytes, that a memory file system must have to be used.
const MIN_FREE_BYTES: u64 = 1 << 30;

/// The server that hosts the test databases.
pub(crate) struct TestServer {
    /// A URL with `{}` as the database name.
    url_template: String,
    /// `None` if `TEST_DATABASE_URL` names a server. Stops when the process ends, however it ends.
    embedded: Option<Server>,
}

impl TestServer {
    /// Returns the server of this process.
    pub(crate) fn get() -> &'static Self {
        static SERVER: OnceLock<TestServer> = OnceLock::new();
        SERVER.get_or_init(|| {
            let url = variable("TEST_DATABASE_URL").filter(|url| !url.is_empty());
            let url = url.map(|url| url.into_string().unwrap());
            url.map_or_else(Self::embedded, |url| Self { url_template: with_placeholder(&url), embedded: None })
        })
    }

    fn embedded() -> Self {
        let server = start_in_free_slot(&base_dir());
        let connection = server.connection_info();
        let (socket, user, port) = (connection.socket_dir().display(), connection.superuser(), connection.port());
        let url_template = format!("postgres://{user}@localhost:{port}/{{}}?host={socket}&sslmode=disable");
        Self { url_template, embedded: Some(server) }
    }

    /// Returns the URL of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        self.url_template.replacen("{}", database, 1)
    }

    /// Returns the URL of a database for another login.
    pub(crate) fn url_as(&self, login: &str, password: &str, database: &str) -> String {
        let url = self.url(database);
        let (scheme, rest) = url.split_once("://").unwrap();
        let (authority, rest) = rest.split_once('/').unwrap();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        format!("{scheme}://{login}:{password}@{host}/{rest}")
    }

    /// Returns whether only this process uses the server. All leftovers on it then belong to runs that have ended.
    pub(crate) fn is_exclusive(&self) -> bool {
        self.embedded.is_some()
    }
}

/// Replaces the database name of the URL with `{}`.
fn with_placeholder(url: &str) -> String {
    let (url, query) = url.split_once('?').map_or((url, String::new()), |(url, query)| (url, format!("?{query}")));
    let after_host = url.find("://").and_then(|scheme| url[scheme + 3..].find('/').map(|slash| scheme + 3 + slash));
    format!("{}/{{}}{query}", &url[..after_host.unwrap_or(url.len())])
}

/// Returns the `PATH` that tests pass on, where PostgreSQL is searched besides the well-known directories. It ends with
/// the installation of the tests, which may be a downloaded one.
pub fn search_path() -> Option<OsString> {
    let path = variable("PATH").unwrap_or_default();
    let dirs = split_paths(&path).chain([installation().bin_dir().to_owned()]);
    Some(join_paths(dirs).unwrap())
}

fn variable(name: &str) -> Option<OsString> {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests have no configuration; docs/testing.md lists the variables they read"
    )]
    std::env::var_os(name)
}

/// Returns the newest installation, which is found once per process.
fn installation() -> &'static Installation {
    static INSTALLATION: LazyLock<Installation> = LazyLock::new(|| {
        Server::find_installation(&search_options(variable))
            .unwrap_or_else(|error| panic!("there is no PostgreSQL for the tests: {error}"))
    });
    &INSTALLATION
}

/// Returns the options that find PostgreSQL as the program does with its defaults: an installed one, the newest in the
/// program's cache, or a download to that cache.
fn search_options(variable: impl Fn(&'static str) -> Option<OsString>) -> Options {
    let cache = std::env::temp_dir().join(format!("tenantry-cache-{}", geteuid()));
    let mut download = DownloadOptions::for_program("tenantry", cache, &variable);
    // Not `eprintln!`, whose output is shown only if a test fails.
    download.progress = Progress::lines(|line| drop(writeln!(io::stderr(), "{line}")));
    Options { search_path: variable("PATH"), download: Some(download), ..Options::new("") }
}

/// Starts a server in the first slot whose lock is free, since several test processes may run at the same time.
///
/// Each major version has its own slots, because it can't read the data of another one.
fn start_in_free_slot(base: &Path) -> Server {
    let options = |slot: String| Options {
        durable: false,
        max_connections: 300,
        extra_roles: TEST_LOGINS.map(str::to_owned).to_vec(),
        search_path: search_path(),
        ..Options::new(base.join(slot))
    };
    let newest = installation().major();
    for slot in 0.. {
        match Server::start(options(format!("slot-{newest}-{slot}"))) {
            Err(Error::InUse { .. }) => {}
            started => return started.unwrap_or_else(|error| panic!("the test database doesn't start: {error}")),
        }
    }
    unreachable!("a slot is free before the numbers run out")
}

/// Returns the directory for temporary files. Prefers a memory file system, where cloning the template database takes
/// 20 ms instead of 200.
pub fn temp_dir() -> PathBuf {
    let has_space =
        |path: &str| statvfs(path).is_ok_and(|fs| fs.blocks_available() * fs.fragment_size() >= MIN_FREE_BYTES);
    if has_space("/dev/shm") { PathBuf::from("/dev/shm") } else { std::env::temp_dir() }
}

/// Creates the directory of the slots if it is missing, and returns its path.
fn base_dir() -> PathBuf {
    let base = temp_dir().join(format!("tenantry-test-{}", geteuid()));
    // Executable for all, because under root the server runs as another user. Each slot is accessible to its user only.
    match fs::DirBuilder::new().mode(0o711).create(&base) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => panic!("{}: {error}", base.display()),
        _ => {}
    }
    let metadata = fs::symlink_metadata(&base).unwrap();
    assert!(
        metadata.is_dir() && metadata.uid() == geteuid().as_raw(),
        "{} isn't a directory of this user: remove it",
        base.display()
    );
    base
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn installation_in_program_cache_is_found() {
        let home = temp_dir().join(format!("tenantry-home-{}", std::process::id()));
        let release = home.join(".cache/tenantry/postgres/postgresql-17.11.0-test");
        fs::create_dir_all(&release).unwrap();
        for dir in release.ancestors().take_while(|dir| dir.starts_with(&home)) {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
        }
        symlink(installation().bin_dir(), release.join("bin")).unwrap();
        let options = search_options(|name| (name == "HOME").then(|| home.clone().into_os_string()));
        let found = Server::find_installation(&Options { search_well_known_dirs: false, ..options });
        fs::remove_dir_all(&home).unwrap();
        assert_eq!(found.unwrap().bin_dir(), installation().bin_dir());
    }

    #[test]
    fn missing_installation_is_downloaded() {
        let download = search_options(|_| None).download.unwrap();
        assert!(download.enabled && download.url.starts_with("https://"), "{download:?}");
        assert!(download.sha256.is_some() || cfg!(target_env = "musl"), "the default version has no checksum");
    }

    #[test]
    fn test_database_url_gets_name_placeholder() {
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
