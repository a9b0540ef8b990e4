//! Clients that send or read too slowly lose their connection, and can't use up the program's descriptors.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};
#[cfg(target_os = "linux")]
use std::{path::Path, process::Command};

use crate::{
    client::TestApp,
    process::{
        RunningServer, assert_one_line_failure, seeded_work_dir, tenantry_command_in_shell, wait_until,
        wait_with_timeout, work_dir,
    },
};

const UNFINISHED_BODY: &str = "POST /v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                               Content-Length: 100\r\n\r\n{";
const UNFINISHED_UNREAD_BODY: &str =
    "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab";
const UNFINISHED_SECOND_HEAD: &str = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\nGET /health";
const UNFINISHED_HEAD: &str = "GET /health/live HTTP/1.1\r\nHost: loc";

fn connect(addr: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// Returns what the server sends until it closes the connection.
fn read_until_closed(mut stream: TcpStream) -> String {
    let mut response = Vec::new();
    match stream.read_to_end(&mut response) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("the connection is still open: {error}"),
        _ => String::from_utf8_lossy(&response).into_owned(),
    }
}

#[test]
fn slow_request_is_disconnected() {
    let app = TestApp::with_http(|config| config.client_timeout = Duration::from_secs(1));
    // At the same time, because each waits for its deadline.
    let streams = [
        (UNFINISHED_BODY, "HTTP/1.1 408 Request Timeout\r\n"),
        (UNFINISHED_UNREAD_BODY, "HTTP/1.1 404 Not Found\r\n"),
        (UNFINISHED_SECOND_HEAD, "HTTP/1.1 200 OK\r\n"),
        (UNFINISHED_HEAD, "HTTP/1.1 408 Request Timeout\r\n"),
    ]
    .map(|(request, status)| (connect(app.addr, request), request, status));
    for (stream, request, status) in streams {
        let response = read_until_closed(stream);
        assert!(response.starts_with(status), "{request}: {response}");
        let is_problem = response.contains("urn:tenantry:problem:body-timeout");
        assert_eq!(is_problem, request == UNFINISHED_BODY, "{request}: {response}");
    }
}

#[test]
fn slow_reader_is_disconnected() {
    let app = TestApp::with_http(|config| config.client_timeout = Duration::from_secs(1));
    // More than the buffers of both sockets hold.
    let script = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(16);
    let mut stream = connect(app.addr, &script);
    wait_until("the connection to be closed", || stream.write_all(b"G").is_err());
}

#[test]
fn slow_clients_leave_descriptors() {
    let work_dir = seeded_work_dir();
    let settings = [("HTTP_CLIENT_TIMEOUT_SECS", "1"), ("HTTP_WORKERS", "2")];
    let server = RunningServer::start_with_open_files(work_dir.path(), &settings, 128);
    let addr = server.url.trim_start_matches("http://").parse().unwrap();
    let kinds = [UNFINISHED_BODY, UNFINISHED_UNREAD_BODY, UNFINISHED_SECOND_HEAD];
    // The rest waits in the backlog, which holds 128.
    let slow: Vec<_> = kinds.iter().cycle().take(120).map(|request| connect(addr, request)).collect();
    // Requests of others wait their turn. They need descriptors for the database.
    for _ in 0..3 {
        assert_eq!(server.client().login("alice@example.com", seeds::PASSWORD).status, 200);
        server.assert_ready();
    }
    slow.into_iter().for_each(|stream| drop(read_until_closed(stream)));
    let output = server.interrupt();
    assert!(output.contains("the limit of open files is 128, which suffices for"), "{output}");
    assert!(!output.contains("ERROR"), "{output}");
}

/// The limit is lowered after the program has derived its connection limit from it.
#[cfg(target_os = "linux")]
#[test]
fn connection_without_deadline_is_closed() {
    let work_dir = seeded_work_dir();
    let server = RunningServer::start(work_dir.path(), &[("HTTP_CLIENT_TIMEOUT_SECS", "1"), ("HTTP_WORKERS", "1")]);
    let addr = server.url.trim_start_matches("http://").parse().unwrap();
    let pid = server.child.id();
    let set_soft_limit = |limit: u32| {
        let arguments = [format!("--pid={pid}"), format!("--nofile={limit}:")];
        assert!(Command::new("prlimit").args(arguments).status().unwrap().success());
    };
    server.assert_ready();
    // Repeated, because that request's descriptors are closed after its response.
    wait_until("a connection without a response", || {
        // One descriptor is left: for the socket, but not for its duplicate.
        let is_free = |fd: &u32| !Path::new(&format!("/proc/{pid}/fd/{fd}")).exists();
        set_soft_limit((0..).find(is_free).unwrap() + 1);
        read_until_closed(connect(addr, UNFINISHED_SECOND_HEAD)).is_empty()
    });
    server.wait_for_output("closed a connection, because its deadline needs a descriptor");
    set_soft_limit(1024);
    server.assert_ready();
}

#[test]
fn soft_limit_of_open_files_is_raised() {
    let work_dir = seeded_work_dir();
    let mut command = tenantry_command_in_shell(work_dir.path(), &[("HTTP_MAX_CONNECTIONS", "100")], "ulimit -Sn 64");
    let server = RunningServer::start_command(&mut command);
    let output = server.interrupt();
    assert!(!output.contains("the limit of open files"), "{output}");
}

#[test]
fn insufficient_open_files_fail_start() {
    let work_dir = work_dir();
    let settings = [("HTTP_WORKERS", "2")];
    let mut command = tenantry_command_in_shell(work_dir.path(), &settings, "ulimit -n 48");
    assert_one_line_failure(
        &wait_with_timeout(&mut command),
        "the limit of open files is 48, but at least 62 are needed: raise it",
    );
    assert!(!work_dir.path().join("data").exists(), "nothing was started");
}
