//! Fixtures: a directory per test, a helper process, `psql`, and queries to the process table.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use embedded_postgres::{Options, Server};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User};
use tempfile::TempDir;

/// A temporary directory per test, readable for every user as `/tmp` is.
pub(crate) struct TestDir {
    base: TempDir,
}

impl TestDir {
    /// Creates it in memory if possible, where `initdb` takes a fifth of the time.
    pub(crate) fn new() -> Self {
        Self::create_in(memory_dir().unwrap_or(std::env::temp_dir()))
    }

    /// Creates it with a running server.
    pub(crate) fn with_server() -> (Self, Server) {
        let test_dir = Self::with_data();
        let server = test_dir.start();
        (test_dir, server)
    }

    /// Creates it with the data of a stopped server, as after the first start. Copies data that is created once per
    /// test process, because `initdb` takes ten times as long.
    pub(crate) fn with_data() -> Self {
        static PREPARED: LazyLock<PathBuf> = LazyLock::new(|| {
            let parent = memory_dir().unwrap_or(std::env::temp_dir());
            remove_dirs_of_exited_processes(&parent);
            let test_dir = TestDir::new();
            drop(test_dir.start());
            let prepared = parent.join(format!("{PREPARED_PREFIX}{}", std::process::id()));
            fs::rename(test_dir.base.keep(), &prepared).unwrap();
            prepared
        });
        let test_dir = Self::new();
        // `-a` keeps the owner, which is another user when the tests run as root.
        let copied = Command::new("cp").arg("-a").arg(PREPARED.join("pg")).arg(test_dir.root()).status().unwrap();
        assert!(copied.success());
        test_dir
    }

    /// Creates it on a disk if the system has a directory for temporary files on one.
    pub(crate) fn on_disk() -> Self {
        let var_tmp = Path::new("/var/tmp");
        Self::create_in(if var_tmp.is_dir() { var_tmp.to_owned() } else { std::env::temp_dir() })
    }

    fn create_in(dir: PathBuf) -> Self {
        let base = tempfile::tempdir_in(dir).unwrap();
        fs::set_permissions(base.path(), Permissions::from_mode(0o755)).unwrap();
        Self { base }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.base.path().canonicalize().unwrap().join(name)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.path("pg")
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            search_path: Some(SEARCH_PATH.clone()),
            durable: false,
            max_connections: 10,
            fallback_root_dir: self.path("fallback"),
            fallback_socket_prefix: self.path("socket-"),
            ..Options::new(self.root())
        }
    }

    /// Returns the options of a server with another root.
    pub(crate) fn options_at(&self, root: PathBuf) -> Options {
        Options { root, ..self.options() }
    }

    pub(crate) fn start(&self) -> Server {
        Server::start(self.options()).unwrap()
    }

    /// Creates a directory that only its owner can access.
    pub(crate) fn private_dir(&self) -> PathBuf {
        let dir = self.path("private");
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, Permissions::from_mode(0o700)).unwrap();
        dir
    }

    /// Returns the bin directory of the installation that is selected by default.
    pub(crate) fn default_bin_dir(&self) -> PathBuf {
        self.start().bin_dir().to_owned()
    }

    /// Writes a file in the root, with the owner of the root.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.root().join(name);
        fs::write(&path, text).unwrap();
        chown(&path, Some(owner(self.root())), None).unwrap();
    }

    /// Creates programs `postgres` and `initdb` that only report a version.
    pub(crate) fn fake_installation(&self, version: &str) -> PathBuf {
        let dir = self.path(&format!("fake-{version}"));
        fs::create_dir(&dir).unwrap();
        let program = format!(
            "case $1 in --version) echo 'postgres (PostgreSQL) {version}' ;; *) echo 'only a fake' >&2; exit 1 ;; esac"
        );
        script(&dir.join("postgres"), &program);
        script(&dir.join("initdb"), &program);
        dir
    }
}

/// The `PATH`, and the installation that `tenantry` would use with its defaults, which may be a downloaded one. The helper
/// process searches it too, and both must find the same version.
static SEARCH_PATH: LazyLock<OsString> = LazyLock::new(|| {
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
    let variable = |name: &str| std::env::var_os(name);
    let path = variable("PATH").unwrap_or_default();
    #[cfg_attr(not(feature = "download"), expect(unused_mut, reason = "only a download changes it"))]
    let mut options = Options { search_path: Some(path.clone()), ..Options::new("") };
    #[cfg(feature = "download")]
    {
        let cache = std::env::temp_dir().join(format!("tenantry-cache-{}", nix::unistd::geteuid()));
        let mut download = embedded_postgres::DownloadOptions::for_program("tenantry", cache, variable);
        // Not `eprintln!`, whose output is shown only if a test fails.
        download.progress = embedded_postgres::Progress::lines(|line| drop(writeln!(std::io::stderr(), "{line}")));
        options.download = Some(download);
    }
    let installation = Server::find_installation(&options).unwrap();
    std::env::join_paths(std::env::split_paths(&path).chain([installation.bin_dir().to_owned()])).unwrap()
});

/// Prefix of the directories with prepared data. The rest of the name is the id of the test process.
const PREPARED_PREFIX: &str = "embedded-postgres-prepared-";

/// Removes prepared data of earlier runs: a `static` isn't dropped at exit.
fn remove_dirs_of_exited_processes(parent: &Path) {
    for entry in fs::read_dir(parent).unwrap().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREPARED_PREFIX));
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // Another user's can't be removed.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Writes an executable script. A shell writes it, not this process: a file that is open for writing can't be run.
/// A child process that another thread is spawning could have a duplicate of the descriptor.
pub(crate) fn script(path: &Path, text: &str) {
    let write = r#"printf '#!/bin/sh\n%s\n' "$2" >"$1" && chmod 755 "$1""#;
    let status = Command::new("sh").args(["-c", write, "sh"]).arg(path).arg(text).status().unwrap();
    assert!(status.success());
}

/// Returns an in-memory file system with more than 1 GiB of free space.
fn memory_dir() -> Option<PathBuf> {
    let output = Command::new("df").args(["-Pk", "/dev/shm"]).stderr(Stdio::null()).output().ok()?;
    let table = String::from_utf8(output.stdout).ok()?;
    let free: u64 = table.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    (free > 1024 * 1024).then(|| PathBuf::from("/dev/shm"))
}

/// The program of this package: a second process that starts a server and can be killed.
pub(crate) struct Helper {
    pub(crate) child: Child,
    root: PathBuf,
}

impl Helper {
    pub(crate) fn spawn(root: &Path) -> Self {
        Self::spawn_with(root, &[])
    }

    pub(crate) fn spawn_with(root: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = Self::command();
        command.arg(root).arg("--fast").envs(environment.iter().copied());
        Self::run(command, root)
    }

    pub(crate) fn command() -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_embedded-postgres"));
        command.env("PATH", &*SEARCH_PATH);
        command
    }

    pub(crate) fn run(mut command: Command, root: &Path) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self { child, root: root.to_owned() }
    }

    /// Waits until it prints how to connect.
    pub(crate) fn wait_until_ready(mut self) -> Self {
        let mut line = String::new();
        BufReader::new(self.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("psql -h "), "the helper didn't start: {line:?}");
        self
    }

    /// Waits until it runs `initdb`, whose process id it writes to the file `initializing`.
    pub(crate) fn wait_for_initdb(self) -> Self {
        let marker = self.root.join("initializing");
        eventually("initdb runs", || fs::read_to_string(&marker).is_ok_and(|marker| marker.ends_with('\n')));
        self
    }

    /// Waits until it exits with an error, and returns what it wrote to standard error.
    pub(crate) fn expect_failure(mut self) -> String {
        drop(self.child.stdin.take());
        let mut message = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(1), "{message}");
        message
    }

    pub(crate) fn server_pid(&self) -> u32 {
        let file = fs::read_to_string(self.root.join("data/postmaster.pid")).unwrap();
        file.lines().next().unwrap().parse().unwrap()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs SQL as the user of this process.
pub(crate) fn psql(server: &Server, sql: &str) -> String {
    psql_as(server, None, sql).unwrap()
}

/// Runs SQL as another operating system user. The error is the output of `psql`.
pub(crate) fn psql_as(server: &Server, user: Option<&User>, sql: &str) -> Result<String, String> {
    let mut command = server.connection_info().command("psql", "postgres").unwrap();
    command.current_dir("/").args(["-X", "-A", "-t", "-q", "-c", sql]);
    if let Some(user) = user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// One line of the process table, which excludes zombies.
pub(crate) struct Entry {
    pid: u32,
    parent: u32,
    pub(crate) group: u32,
    pub(crate) user: u32,
}

fn process_table() -> Vec<Entry> {
    let output = Command::new("ps").args(["-A", "-o", "pid=,ppid=,pgid=,uid=,stat="]).output().unwrap();
    let entry = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let number = |index: usize| fields[index].parse().unwrap();
        let is_alive = !fields[4].starts_with('Z');
        is_alive.then(|| Entry { pid: number(0), parent: number(1), group: number(2), user: number(3) })
    };
    String::from_utf8(output.stdout).unwrap().lines().filter_map(entry).collect()
}

/// Returns the table's entry of a running process.
pub(crate) fn process(pid: u32) -> Entry {
    process_table().into_iter().find(|entry| entry.pid == pid).unwrap()
}

pub(crate) fn is_alive(pid: u32) -> bool {
    !all_exited(&[pid])
}

pub(crate) fn parent(pid: u32) -> u32 {
    process(pid).parent
}

/// Returns a process and all its descendants.
pub(crate) fn process_tree(pid: u32) -> Vec<u32> {
    let table = process_table();
    let mut process_tree = vec![pid];
    let mut next = 0;
    while let Some(parent) = process_tree.get(next).copied() {
        process_tree.extend(table.iter().filter(|entry| entry.parent == parent).map(|entry| entry.pid));
        next += 1;
    }
    process_tree
}

pub(crate) fn children(pid: u32) -> Vec<u32> {
    process_table().iter().filter(|entry| entry.parent == pid).map(|entry| entry.pid).collect()
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
}

/// Signals processes, some of which may exit meanwhile.
pub(crate) fn signal_all(processes: &[u32], signal: Signal) {
    for process in processes {
        let _ = kill(Pid::from_raw((*process).try_into().unwrap()), signal);
    }
}

/// Polls until the condition is true; panics after 30 s.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        sleep(Duration::from_millis(5));
    }
}

pub(crate) fn all_exited(processes: &[u32]) -> bool {
    let table = process_table();
    !table.iter().any(|entry| processes.contains(&entry.pid))
}

pub(crate) fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

pub(crate) fn owner(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().uid()
}

/// Skips a test unless this process is root.
macro_rules! require_root {
    ($test:literal) => {
        if !nix::unistd::geteuid().is_root() {
            $crate::support::print(concat!("SKIPPED: ", $test, " requires root"));
            return;
        }
    };
}
pub(crate) use require_root;

/// Asserts that a start with these options fails with an error that matches the pattern. Returns the message.
macro_rules! assert_start_fails {
    ($options:expr, $($pattern:tt)+) => {{
        let error = embedded_postgres::Server::start($options).unwrap_err();
        assert!(matches!(&error, $($pattern)+), "{error:?}");
        error.to_string()
    }};
}
pub(crate) use assert_start_fails;

/// Prints a line directly to standard error, since the test harness captures the output of passing tests.
pub(crate) fn print(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
