//! A closed-loop load generator: each client sends its next request after the response to the previous one.

use std::{
    borrow::Cow,
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
    /// Median of the latency.
    pub p50: Duration,
    /// 99th percentile of the latency.
    pub p99: Duration,
    /// 99.9th percentile of the latency.
    pub p999: Duration,
    /// Maximum latency.
    pub max: Duration,
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
    let clients = run_clients(addr, &|_, _| request.into(), connections, started + duration)?;
    let round = round(&clients, started.elapsed())?;
    for responses in &clients {
        if responses.windows(2).any(|pair| matches!(pair, [one, other] if one.length != other.length)) {
            return Err(io::Error::other("response length differs from the first response"));
        }
    }
    Ok(round)
}

/// Like [`run`], with the request that `request` returns for each client and each of its requests, both by number.
///
/// # Errors
/// Fails if a connection fails, or if a response isn't a 200.
pub fn run_varied(
    addr: SocketAddr,
    request: &RequestSource<'_>,
    connections: usize,
    duration: Duration,
) -> io::Result<Round> {
    let started = Instant::now();
    let clients = run_clients(addr, request, connections, started + duration)?;
    round(&clients, started.elapsed())
}

/// Returns the request of a client, by the client's and the request's number.
pub type RequestSource<'a> = dyn Fn(usize, usize) -> Cow<'a, str> + Sync + 'a;

fn round(clients: &[Vec<Response>], elapsed: Duration) -> io::Result<Round> {
    for responses in clients {
        check_status(responses, &[200])?;
    }
    let mut latencies: Vec<_> = clients.iter().flatten().map(|response| response.latency).collect();
    latencies.sort_unstable();
    let percentile = |permille| latencies.get(latencies.len() * permille / 1000).copied().unwrap_or_default();
    let max = latencies.last().copied().unwrap_or_default();
    Ok(Round {
        requests: latencies.len(),
        elapsed,
        p50: percentile(500),
        p99: percentile(990),
        p999: percentile(999),
        max,
    })
}

/// Sends the request repeatedly like [`run`], to a server that may reject it with 503. Returns the proportion of rejected
/// requests.
///
/// # Errors
/// Fails if a connection fails, or if a response is neither a 200 nor a 503.
pub fn flood(addr: SocketAddr, request: &str, connections: usize, duration: Duration) -> io::Result<f64> {
    let responses: Vec<_> = run_clients(addr, &|_, _| request.into(), connections, Instant::now() + duration)?
        .into_iter()
        .flatten()
        .collect();
    check_status(&responses, &[200, 503])?;
    let rejected = responses.iter().filter(|response| response.status == 503).count();
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let proportion = rejected as f64 / responses.len() as f64;
    Ok(proportion)
}

struct Response {
    status: u16,
    length: usize,
    latency: Duration,
}

fn check_status(responses: &[Response], expected: &[u16]) -> io::Result<()> {
    match responses.iter().find(|response| !expected.contains(&response.status)) {
        Some(response) => Err(io::Error::other(format!("a response has the status {}", response.status))),
        None => Ok(()),
    }
}

/// Returns the responses of each client.
fn run_clients(
    addr: SocketAddr,
    request: &RequestSource<'_>,
    connections: usize,
    end: Instant,
) -> io::Result<Vec<Vec<Response>>> {
    thread::scope(|scope| {
        let start = |client| scope.spawn(move || run_client(addr, &|number| request(client, number), end));
        let clients: Vec<_> = (0..connections).map(start).collect();
        let join = |client: thread::ScopedJoinHandle<'_, _>| {
            client.join().map_err(|_| io::Error::other("a client panicked"))?
        };
        clients.into_iter().map(join).collect()
    })
}

fn run_client<'a>(
    addr: SocketAddr,
    request: &dyn Fn(usize) -> Cow<'a, str>,
    end: Instant,
) -> io::Result<Vec<Response>> {
    let stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let (mut writer, mut reader) = (stream.try_clone()?, BufReader::new(stream));
    let (mut responses, mut line, mut body) = (Vec::new(), String::new(), Vec::new());
    // At least one request is sent, even if the duration is zero.
    loop {
        let request = request(responses.len());
        let sent = Instant::now();
        writer.write_all(request.as_bytes())?;
        let (status, length) = read_head(&mut reader, &mut line)?;
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
        responses.push(Response { status, length, latency: sent.elapsed() });
        if Instant::now() >= end {
            return Ok(responses);
        }
    }
}

/// Reads the head of a response and returns its status and `Content-Length`. All measured programs send one and keep
/// connections open.
fn read_head(reader: &mut impl BufRead, line: &mut String) -> io::Result<(u16, usize)> {
    let mut length = None;
    line.clear();
    reader.read_line(line)?;
    let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("expected a response, got: {}", line.trim())))?;
    loop {
        line.clear();
        reader.read_line(line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok(),
            Some(_) => {}
            None => {
                let no_length = || io::Error::other("response has no Content-Length header");
                return length.map(|length| (status, length)).ok_or_else(no_length);
            }
        }
    }
}
