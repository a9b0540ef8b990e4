//! Runs the `tenantry` binary: one-shot commands, a running server, and access to its embedded database.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, LazyLock, Mutex},
    thread::{JoinHandle, sleep},
    time::{Duration, Instant},
};

use embedded_postgres::{Options, Server};
use tempfile::TempDir;
use test_support::{search_path, temp_dir};
use uuid::Uuid;

use crate::{client::Client, db_commands::complete_bin_dir, superuser_connection::DbConnection};

/// The example key of RFC 8410, section 10.3.
pub(crate) const SIGNING_KEY: &str = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";

/// Pause between two polls of a condition.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// Creates a working directory, in memory if possible. When the tests run as root, the embedded server runs as another
/// user of the operating system, who must be able to enter the directory.
pub(crate) fn work_dir() -> TempDir {
    let work_dir = tempfile::Builder::new().prefix("tenantry-").tempdir_in(temp_dir()).unwrap();
    fs::set_permissions(work_dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    work_dir
}

/// Creates a working directory with the embedded database, stopped and with the demo data. Copies one that is prepared
/// once per test process, because `initdb`, migrations and password hashing take a second.
pub(crate) fn seeded_work_dir() -> TempDir {
    static PREPARED: LazyLock<(PathBuf, File)> = LazyLock::new(|| {
        remove_dirs_of_exited_processes();
        let work_dir = work_dir();
        let lock = File::create(work_dir.path().join(LOCK_FILE)).unwrap();
        lock.lock().unwrap();
        let bin_dir = complete_bin_dir();
        assert_success(&run(work_dir.path(), &[("POSTGRES_BIN_DIR", bin_dir.to_str().unwrap())], &["seed"]));
        let prepared = temp_dir().join(format!("{PREPARED_PREFIX}{}", Uuid::now_v7()));
        fs::rename(work_dir.keep(), &prepared).unwrap();
        (prepared, lock)
    });
    let work_dir = work_dir();
    // `-a` keeps the owner, which is another user when the tests run as root.
    let copied = Command::new("cp").arg("-a").arg(PREPARED.0.join("data")).arg(work_dir.path()).status().unwrap();
    assert!(copied.success());
    work_dir
}

/// Prefix of the prepared directories.
const PREPARED_PREFIX: &str = "tenantry-seeded-";
/// A file in a prepared directory, which is locked as long as its test process runs.
const LOCK_FILE: &str = "lock";

/// Removes prepared directories of earlier runs: a `static` isn't dropped at exit.
fn remove_dirs_of_exited_processes() {
    for entry in fs::read_dir(temp_dir()).unwrap().flatten() {
        let is_prepared = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREPARED_PREFIX));
        let is_locked = || File::open(entry.path().join(LOCK_FILE)).is_ok_and(|lock| lock.try_lock().is_err());
        if is_prepared && !is_locked() {
            // Another user's can't be removed.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Returns the command with only `settings`, `PATH` and a free HTTP port in its environment.
pub(crate) fn tenantry_command(work_dir: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> Command {
    let path = search_path().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
    command.env_clear().env("PATH", path).env("HTTP_PORT", "0").envs(settings.iter().copied());
    command.args(arguments).current_dir(work_dir).stdin(Stdio::null());
    command
}

/// Like [`tenantry_command`] without arguments, run by a shell after `setup`.
pub(crate) fn tenantry_command_in_shell(work_dir: &Path, settings: &[(&str, &str)], setup: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("{setup} && exec \"$0\""), env!("CARGO_BIN_EXE_tenantry")]);
    command.env_clear().env("PATH", search_path().unwrap()).env("HTTP_PORT", "0").envs(settings.iter().copied());
    command.current_dir(work_dir).stdin(Stdio::null());
    command
}

/// Runs a command until it exits. Each output must fit into a pipe's buffer.
pub(crate) fn run(work_dir: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    wait_with_timeout(&mut tenantry_command(work_dir, settings, arguments))
}

/// Like [`run`], with this standard input.
pub(crate) fn run_with_stdin(work_dir: &Path, settings: &[(&str, &str)], arguments: &[&str], input: &str) -> Output {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(input.as_bytes()).unwrap();
    drop(writer);
    wait_with_timeout(tenantry_command(work_dir, settings, arguments).stdin(reader))
}

pub(crate) fn wait_with_timeout(command: &mut Command) -> Output {
    let mut child = spawn_piped(command);
    let deadline = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("the command did not exit: {}", stderr(&child.wait_with_output().unwrap()));
        }
        sleep(POLL_INTERVAL);
    }
    child.wait_with_output().unwrap()
}

/// Starts the command with its outputs piped.
pub(crate) fn spawn_piped(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asserts that a command succeeded, and returns its standard output.
#[track_caller]
pub(crate) fn assert_success(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", stdout(output), stderr(output));
    stdout(output)
}

/// Asserts that a command failed and that its standard error contains `text`. Returns its standard error.
#[track_caller]
pub(crate) fn assert_failure(output: &Output, text: &str) -> String {
    let message = stderr(output);
    assert!(!output.status.success() && message.contains(text), "{text:?} is missing: {message}");
    message
}

/// Asserts that a command failed with one line that contains `text`, and returns the line.
#[track_caller]
pub(crate) fn assert_one_line_failure(output: &Output, text: &str) -> String {
    let message = assert_failure(output, text);
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

/// Appends what is read from the stream to `text`, on a separate thread.
pub(crate) fn read_on_thread(mut stream: impl Read + Send + 'static, text: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let text = Arc::clone(text);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            text.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    })
}

/// Sends a signal such as `-INT` with `kill`.
pub(crate) fn send_signal(child: &Child, signal: &str) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Polls a condition, for 30 seconds at most.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "timed out waiting for {what}");
        sleep(POLL_INTERVAL);
    }
}

/// A server process, killed when this value is dropped.
pub(crate) struct RunningServer {
    pub(crate) child: Child,
    pub(crate) url: String,
    /// Standard output and standard error.
    output: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl RunningServer {
    /// Starts a server and waits until it has printed its address.
    pub(crate) fn start(work_dir: &Path, settings: &[(&str, &str)]) -> Self {
        Self::start_command(&mut tenantry_command(work_dir, settings, &[]))
    }

    /// Like [`start`](Self::start), with this soft and hard limit of open files.
    pub(crate) fn start_with_open_files(work_dir: &Path, settings: &[(&str, &str)], limit: u32) -> Self {
        let mut command = tenantry_command_in_shell(work_dir, settings, &format!("ulimit -n {limit}"));
        Self::start_command(&mut command)
    }

    pub(crate) fn start_command(command: &mut Command) -> Self {
        let mut child = spawn_piped(command);
        let output = Arc::new(Mutex::new(String::new()));
        let stderr_reader = read_on_thread(child.stderr.take().unwrap(), &output);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut url = None;
        for line in lines.by_ref() {
            output.lock().unwrap().push_str(&format!("{line}\n"));
            url = url.or_else(|| {
                line.trim().strip_prefix("API ").map(|url| url.trim().trim_end_matches("/v1/me").to_owned())
            });
            if line.starts_with("  health") {
                break;
            }
        }
        let log = Arc::clone(&output);
        let stdout_reader =
            std::thread::spawn(move || lines.for_each(|line| log.lock().unwrap().push_str(&format!("{line}\n"))));
        let url = url.unwrap_or_else(|| panic!("the server did not start: {}", output.lock().unwrap()));
        Self { child, url, output, readers: vec![stderr_reader, stdout_reader] }
    }

    /// Starts a server, checks that it is ready, stops it and returns its output.
    pub(crate) fn start_and_stop(work_dir: &Path, settings: &[(&str, &str)]) -> String {
        let server = Self::start(work_dir, settings);
        server.assert_ready();
        server.interrupt()
    }

    pub(crate) fn assert_ready(&self) {
        assert_eq!(self.client().get("/health/ready").status, 200);
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url)
    }

    /// Returns the output up to now.
    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Waits until the output contains `text`.
    pub(crate) fn wait_for_output(&self, text: &str) {
        wait_until(&format!("{text:?}"), || self.output.lock().unwrap().contains(text));
    }

    /// Sends SIGINT, like Ctrl-C.
    pub(crate) fn send_sigint(&self) {
        send_signal(&self.child, "-INT");
    }

    /// Sends SIGINT, waits for a successful exit and returns the output.
    pub(crate) fn interrupt(self) -> String {
        self.send_sigint();
        self.wait_for_exit()
    }

    /// Waits for a successful exit and returns the output.
    pub(crate) fn wait_for_exit(mut self) -> String {
        let status = self.child.wait().unwrap();
        self.readers.drain(..).for_each(|reader| reader.join().unwrap());
        let output = self.output();
        assert!(status.success(), "{status}: {output}");
        output
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        // The embedded database stops with the server.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The embedded database of a program that isn't running, started by the test.
pub(crate) struct EmbeddedDb(pub(crate) Server);

pub(crate) fn start_embedded(work_dir: &Path) -> EmbeddedDb {
    let options = Options { search_path: search_path(), ..Options::new(work_dir.join("data/postgres")) };
    EmbeddedDb(Server::start(options).unwrap())
}

impl EmbeddedDb {
    /// Runs SQL with psql and returns its output.
    pub(crate) fn sql(&self, sql: &str) -> String {
        let mut psql = self.0.connection_info().command("psql", "tenantry").unwrap();
        assert_success(&psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql]).output().unwrap())
    }
}

/// Connects to the embedded database of a running program as the superuser.
pub(crate) fn connect_embedded(work_dir: &Path) -> DbConnection {
    let socket = work_dir.join("data/postgres/socket");
    DbConnection::connect(&format!("postgres://postgres@localhost/tenantry?host={}&sslmode=disable", socket.display()))
}
