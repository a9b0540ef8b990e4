//! What clients can cause to be logged.

use std::{io::Write, net::TcpStream};

use crate::process::{RunningServer, seeded_work_dir};

#[test]
fn hostile_requests_log_bounded_lines() {
    for format in ["json", "pretty"] {
        let work_dir = seeded_work_dir();
        let server = RunningServer::start(work_dir.path(), &[("LOG_FORMAT", format)]);
        let addr = server.url.trim_start_matches("http://");
        let long = "a".repeat(60_000);
        for request in [
            format!("GET /one HTTP/1.1\r\nHost: x\r\nUser-Agent: {long}\r\nX-Forwarded-For: {long}\r\n\r\n"),
            format!("{long} /two HTTP/1.1\r\nHost: x\r\n\r\n"),
            format!("GET /{long}?{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: {long}{long}{long}\r\n\r\n"),
            "GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: \u{1b}[31m\u{9b}31m\r\n\r\n".to_owned(),
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n".to_owned(),
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n".to_owned(),
            "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\r\n\r\n".to_owned(),
            "nonsense\r\n\r\n".to_owned(),
        ] {
            let mut stream = TcpStream::connect(addr).unwrap();
            // The server may close the connection early.
            let _ = stream.write_all(request.as_bytes());
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
        server.assert_ready();
        let output = server.interrupt();
        assert!(output.contains(&format!("{}…", "a".repeat(200))), "{output}");
        assert!(!output.contains("ERROR") && !output.contains('\u{1b}'), "{output}");
        let line = output.lines().find(|line| line.len() > 1500);
        assert_eq!(line, None, "{format}");
    }
}
