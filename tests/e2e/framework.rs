//! What the framework refuses by itself: problems, too.

use std::io::Write;

use rstest::rstest;

use crate::client::{App, app, transcript};

#[rstest]
fn unknown_routes_and_wrong_methods_are_problems(app: App) {
    let nobody = app.nobody();
    snapshot!(transcript([
        ("GET /", nobody.get("/")),
        ("GET /v1/hunter2", nobody.get("/v1/hunter2")),
        ("GET /v1/members/", nobody.get("/v1/members/")),
        ("DELETE /v1/members", nobody.send("DELETE", "/v1/members", None)),
        ("GET /v1/auth/login", nobody.get("/v1/auth/login")),
    ]));
}

#[rstest]
fn head_is_answered_like_get_without_its_body(app: App) {
    let answer = app.nobody().send("HEAD", "/health/live", None);
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
}

#[rstest]
fn every_answer_has_an_id_of_its_own(app: App) {
    let nobody = app.nobody();
    let ids: Vec<String> = ["/health/live", "/v1/me", "/nowhere"]
        .iter()
        .map(|path| nobody.with("X-Request-Id", "mine").get(path).header("x-request-id").unwrap().to_owned())
        .collect();
    for (index, id) in ids.iter().enumerate() {
        assert_eq!(id.parse::<uuid::Uuid>().unwrap().get_version_num(), 7);
        assert!(!ids[..index].contains(id));
    }
}

#[rstest]
fn a_body_without_a_length_is_counted_while_it_comes(app: App) {
    let mut stream = std::net::TcpStream::connect(app.addr).unwrap();
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024)).repeat(20);
    let request = format!(
        "POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}
