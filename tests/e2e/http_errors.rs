//! Requests that are rejected before they reach a handler. The responses are problem documents, too.

use std::io::Write;

use rstest::rstest;

use crate::client::{TestApp, app, transcript};

#[rstest]
fn unknown_routes_and_wrong_methods_are_problems(app: TestApp) {
    let anonymous = app.anonymous();
    snapshot!(transcript([
        ("GET /", anonymous.get("/")),
        ("GET /v1/hunter2", anonymous.get("/v1/hunter2")),
        ("GET /v1/members/", anonymous.get("/v1/members/")),
        ("DELETE /v1/members", anonymous.send("DELETE", "/v1/members", None)),
        ("GET /v1/auth/login", anonymous.get("/v1/auth/login")),
    ]));
}

#[rstest]
fn responses_have_unique_request_ids(app: TestApp) {
    let anonymous = app.anonymous();
    let ids: Vec<String> = ["/health/live", "/v1/me", "/nowhere"]
        .iter()
        .map(|path| {
            anonymous.with_header("X-Request-Id", "from-client").get(path).header("x-request-id").unwrap().to_owned()
        })
        .collect();
    for (index, id) in ids.iter().enumerate() {
        assert_eq!(id.parse::<uuid::Uuid>().unwrap().get_version_num(), 7);
        assert!(!ids[..index].contains(id));
    }
}

#[rstest]
fn chunked_body_limit_is_enforced(app: TestApp) {
    let mut stream = std::net::TcpStream::connect(app.addr).unwrap();
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024)).repeat(20);
    let request = format!(
        "POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut response).unwrap();
    assert_eq!(&response, b"HTTP/1.1 413");
}
