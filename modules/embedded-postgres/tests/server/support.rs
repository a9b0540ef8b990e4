//! A place for a test's files, a second process, and questions to the server and the process table.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use embedded_postgres::{Options, Server};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use tempfile::TempDir;

/// A folder of the test's own, open to every user as `/tmp` is.
pub(crate) struct Place {
    base: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::within(memory().unwrap_or(std::env::temp_dir()))
    }

    /// On a disk, where the system has a place for temporary files that is one.
    pub(crate) fn on_disk() -> Self {
        let usual = Path::new("/var/tmp");
        Self::within(if usual.is_dir() { usual.to_owned() } else { std::env::temp_dir() })
    }

    fn within(folder: PathBuf) -> Self {
        let base = tempfile::tempdir_in(folder).unwrap();
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
        let mut options = Options::new(self.root());
        #[expect(clippy::disallowed_methods, reason = "as the helper: where several versions are, both find the same")]
        let search_path = std::env::var_os("PATH");
        options.search_path = search_path;
        options.durable = false;
        options.max_connections = 10;
        options.closed_parent_fallback = self.path("fallback");
        options.socket_fallback = self.path("socket-");
        options
    }

    pub(crate) fn start(&self) -> Server {
        Server::start(self.options()).unwrap()
    }

    /// A file in the root, which belongs to whom the root does.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.root().join(name);
        fs::write(&path, text).unwrap();
        chown(&path, Some(owner(self.root())), None).unwrap();
    }

    /// A folder with programs `postgres` and `initdb` that only know what version they are.
    pub(crate) fn fake_installation(&self, version: &str) -> PathBuf {
        let folder = self.path(&format!("fake-{version}"));
        fs::create_dir(&folder).unwrap();
        let program = format!(
            "case $1 in --version) echo 'postgres (PostgreSQL) {version}' ;; *) echo 'only a fake' >&2; exit 1 ;; esac"
        );
        script(&folder.join("postgres"), &program);
        script(&folder.join("initdb"), &program);
        folder
    }
}

/// A program. Not written by this process: a child that another thread is just starting could still hold the file open
/// for writing, and then it can't be run.
pub(crate) fn script(path: &Path, text: &str) {
    let write = r#"printf '#!/bin/sh\n%s\n' "$2" >"$1" && chmod 755 "$1""#;
    let status = Command::new("sh").args(["-c", write, "sh"]).arg(path).arg(text).status().unwrap();
    assert!(status.success());
}

/// A file system in memory, with a gigabyte to spare: `initdb` in each test takes a fifth of the time there.
fn memory() -> Option<PathBuf> {
    let output = Command::new("df").args(["-Pk", "/dev/shm"]).stderr(Stdio::null()).output().ok()?;
    let table = String::from_utf8(output.stdout).ok()?;
    let free: u64 = table.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    (free > 1024 * 1024).then(|| PathBuf::from("/dev/shm"))
}

/// The program of this package, as the process to kill and as the second process.
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
        Command::new(env!("CARGO_BIN_EXE_embedded-postgres"))
    }

    pub(crate) fn run(mut command: Command, root: &Path) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self { child, root: root.to_owned() }
    }

    /// Waits for the line that says how to connect.
    pub(crate) fn ready(mut self) -> Self {
        let mut line = String::new();
        BufReader::new(self.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("psql -h "), "the helper didn't start: {line:?}");
        self
    }

    /// Waits for its end, and hands out what it wrote to standard error.
    pub(crate) fn failed(mut self) -> String {
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

/// Asks the server as the user of this process.
pub(crate) fn psql(server: &Server, sql: &str) -> String {
    psql_as(server, None, sql).unwrap()
}

/// Asks the server as another user; the error is what `psql` says.
pub(crate) fn psql_as(server: &Server, user: Option<&User>, sql: &str) -> Result<String, String> {
    let mut command = Command::new(server.binaries().join("psql"));
    command.env_clear().current_dir("/").args(["-X", "-A", "-t", "-q", "-d", "postgres", "-c", sql]);
    command.arg("-h").arg(server.socket_dir()).args(["-p", &server.port().to_string(), "-U", server.superuser()]);
    if let Some(user) = user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// One line of the process table. Processes that only await their parent are not in it.
struct Entry {
    pid: u32,
    parent: u32,
    group: u32,
    user: u32,
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

pub(crate) fn is_alive(pid: u32) -> bool {
    process_table().iter().any(|entry| entry.pid == pid)
}

pub(crate) fn parent(pid: u32) -> u32 {
    process_table().iter().find(|entry| entry.pid == pid).unwrap().parent
}

pub(crate) fn group(pid: u32) -> u32 {
    process_table().iter().find(|entry| entry.pid == pid).unwrap().group
}

pub(crate) fn user_of(pid: u32) -> u32 {
    process_table().iter().find(|entry| entry.pid == pid).unwrap().user
}

/// The process and all that came from it.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let table = process_table();
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        family.extend(table.iter().filter(|entry| entry.parent == parent).map(|entry| entry.pid));
        next += 1;
    }
    family
}

pub(crate) fn children(pid: u32) -> Vec<u32> {
    process_table().iter().filter(|entry| entry.parent == pid).map(|entry| entry.pid).collect()
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
}

/// Some may end by themselves while the others are signalled.
pub(crate) fn signal_all(processes: &[u32], signal: Signal) {
    for process in processes {
        let _ = kill(Pid::from_raw((*process).try_into().unwrap()), signal);
    }
}

/// Waits until it is so, by asking again; panics when it isn't after a time that only a failure needs.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        sleep(Duration::from_millis(5));
    }
}

pub(crate) fn all_gone(processes: &[u32]) -> bool {
    let table = process_table();
    !table.iter().any(|entry| processes.contains(&entry.pid))
}

pub(crate) fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

pub(crate) fn owner(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().uid()
}

/// A process of this user that does nothing. Ends when dropped.
pub(crate) struct Bystander(pub(crate) Child);

impl Bystander {
    pub(crate) fn spawn(uid: u32, argument: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "read -r line", "bystander"]).arg(argument).current_dir("/").stdin(Stdio::piped());
        if geteuid().is_root() {
            command.uid(uid);
        }
        Self(command.spawn().unwrap())
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether the test can be run; says so aloud where it can't, past the test harness, which swallows what passes.
pub(crate) fn is_root(test: &str) -> bool {
    let is_root = geteuid().is_root();
    if !is_root {
        say(&format!("LEFT OUT: {test} shows nothing unless it is run as root"));
    }
    is_root
}

/// Says something past the test harness, which swallows what passing tests print.
pub(crate) fn say(words: &str) {
    let _ = writeln!(std::io::stderr(), "{words}");
}
