//! A server process under measurement.

use std::{
    fs, io, iter,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::load;

/// A running server, which is killed on drop.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    /// The address that the server listens on.
    pub addr: SocketAddr,
}

impl ServerProcess {
    /// Starts the program with a free port in `HTTP_PORT` and waits until it accepts connections.
    ///
    /// # Errors
    /// Fails if the program exits or doesn't accept connections within 30 seconds.
    pub fn start(program: &Path, arguments: &[PathBuf], dir: &Path, settings: &[(&str, String)]) -> io::Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = Command::new(program);
        command.args(arguments);
        command.env_clear().envs(settings.iter().cloned()).env("HTTP_PORT", port.to_string()).current_dir(dir);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(addr).is_err() {
            if child.try_wait()?.is_some() || Instant::now() > deadline {
                return Err(io::Error::other(format!("{} did not start", program.display())));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(Self { child, addr })
    }

    /// Sends the request until it gets a response: some programs accept connections before they can answer.
    ///
    /// # Errors
    /// The server doesn't answer within 30 seconds.
    pub fn first_response(&self, request: &str) -> io::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match load::run(self.addr, request, 1, Duration::ZERO) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a process and its descendants. A child that another thread than the main one started is missing.
pub fn process_tree(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    iter::once(pid).chain(children.flat_map(process_tree)).collect()
}

/// Returns the CPU time that a process has used, in clock ticks: fields 14 and 15 of `/proc/PID/stat`, see `proc(5)`.
/// Returns 0 if it is unavailable.
pub fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The process name, in parentheses, may contain spaces.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// Returns the resident memory of a process in KiB, or 0 if it is unavailable.
pub fn resident_kib(pid: u32) -> u64 {
    status_kib(pid, "VmRSS:")
}

/// Returns the maximum resident memory of a process until now in KiB, or 0 if it is unavailable.
pub fn peak_resident_kib(pid: u32) -> u64 {
    status_kib(pid, "VmHWM:")
}

fn status_kib(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
