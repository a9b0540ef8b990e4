//! A program under measurement.

use std::{
    fs, io,
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A server that is running. It ends with this.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl ServerProcess {
    /// Starts the program, which is told a free port by `HTTP_PORT`, and waits until it accepts connections.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn start(program: &Path, folder: &Path, settings: &[(&str, &str)]) -> io::Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = Command::new(program);
        command.env_clear().envs(settings.iter().copied()).env("HTTP_PORT", port.to_string()).current_dir(folder);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(addr).is_err() {
            if child.try_wait()?.is_some() || Instant::now() > deadline {
                return Err(io::Error::other(format!("{} doesn't start", program.display())));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(Self { child, addr })
    }

    /// Its process id.
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

/// Processor time that the process has used, in clock ticks (proc(5), fields 14 and 15 of stat). 0 where the system
/// doesn't say.
pub fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in parentheses, may have blanks in it.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// Memory that the process has resident, in KiB. 0 where the system doesn't say.
pub fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
