//! A closed-loop load generator: each client sends its next request after the response to the previous one.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

/// The results of a round.
#[derive(Debug, Clone)]
pub struct Round {
    /// Number of completed requests.
    pub requests: usize,
    /// Duration of the load.
    pub elapsed: Duration,
    /// 99th percentile of the latency.
    pub p99: Duration,
}

impl Round {
    /// Returns the completed requests per second.
    pub fn throughput(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
        let requests = self.requests as f64;
        requests / self.elapsed.as_secs_f64()
    }
}

/// Sends the request repeatedly over `connections` connections for `duration`. Every client sends at least one request.
///
/// # Errors
/// Fails if a connection fails, or if a response isn't a 200 or differs in length from the client's first one.
pub fn run(addr: SocketAddr, request: &str, connections: usize, duration: Duration) -> io::Result<Round> {
    let started = Instant::now();
    let clients: Vec<_> = (0..connections)
        .map(|_| {
            let request = request.to_owned();
            thread::spawn(move || run_client(addr, request.as_bytes(), started + duration))
        })
        .collect();
    let mut latencies = Vec::new();
    for client in clients {
        latencies.extend(client.join().map_err(|_| io::Error::other("a client panicked"))??);
    }
    let elapsed = started.elapsed();
    latencies.sort_unstable();
    let p99 = latencies.get(latencies.len() * 99 / 100).copied().unwrap_or_default();
    Ok(Round { requests: latencies.len(), elapsed, p99 })
}

fn run_client(addr: SocketAddr, request: &[u8], end: Instant) -> io::Result<Vec<Duration>> {
    let stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let (mut writer, mut reader) = (stream.try_clone()?, BufReader::new(stream));
    let (mut latencies, mut line, mut body, mut first) = (Vec::new(), String::new(), Vec::new(), None);
    // At least one request is sent, even if the duration is zero.
    loop {
        let sent = Instant::now();
        writer.write_all(request)?;
        let length = read_head(&mut reader, &mut line)?;
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
        latencies.push(sent.elapsed());
        if *first.get_or_insert(length) != length {
            return Err(io::Error::other("response length differs from the first response"));
        }
        if Instant::now() >= end {
            return Ok(latencies);
        }
    }
}

/// Reads the head of a 200 response and returns its `Content-Length`. The server and the baseline both send one, and
/// keep connections open.
fn read_head(reader: &mut impl BufRead, line: &mut String) -> io::Result<usize> {
    let mut length = None;
    line.clear();
    reader.read_line(line)?;
    if !line.starts_with("HTTP/1.1 200") {
        return Err(io::Error::other(format!("expected status 200, got: {}", line.trim())));
    }
    loop {
        line.clear();
        reader.read_line(line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok(),
            Some(_) => {}
            None => return length.ok_or_else(|| io::Error::other("response has no Content-Length header")),
        }
    }
}
