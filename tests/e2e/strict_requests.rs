//! Every route accepts a request in one form only. The requests are built from the OpenAPI document, so a new route needs
//! no code here.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    client::{Client, TestApp, app},
    sample_requests::{Fields, Route, Sample, routes},
};

/// The routes without a handler.
const PAGES: [&str; 3] = ["/openapi.json", "/docs/", "/join"];

/// Returns a sample request for each route, with all fields of its body. Alice may send each of them.
fn samples(app: &TestApp, alice: &Client) -> Vec<(Route, Sample)> {
    let sample = |route: Route| {
        let body = route.body(Fields::All, &|_, _| None);
        let sample = Sample { body, ..route.sample(alice) };
        (route, sample)
    };
    let samples: Vec<_> = routes(app).into_iter().map(sample).collect();
    assert!(samples.len() >= 30, "expected at least 30 routes, found {}", samples.len());
    samples
}

/// Returns the body of a route that has one.
fn json_body(sample: &Sample) -> Option<Value> {
    Some(serde_json::from_str(sample.body.as_deref()?).unwrap())
}

/// Returns the JSON pointer and the text of each string in a value.
fn strings(value: &Value) -> Vec<(String, String)> {
    let children: Vec<(String, &Value)> = match value {
        Value::String(text) => return vec![(String::new(), text.clone())],
        Value::Array(items) => items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        _ => Vec::new(),
    };
    let below = |(name, child): (String, &Value)| {
        strings(child).into_iter().map(move |(pointer, text)| (format!("/{name}{pointer}"), text))
    };
    children.into_iter().flat_map(below).collect()
}

/// Returns the body with another string at `pointer`.
fn replaced(body: &Value, pointer: &str, text: &str) -> String {
    let mut body = body.clone();
    *body.pointer_mut(pointer).unwrap() = text.into();
    body.to_string()
}

/// The forms of a UUID that other programs accept.
fn other_uuid_forms(uuid: &str) -> [String; 3] {
    [uuid.replace('-', ""), format!("{{{uuid}}}"), format!("urn:uuid:{uuid}")]
}

fn is_uuid(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok()
}

#[rstest]
fn unknown_query_parameter_is_rejected(app: TestApp) {
    let alice = app.alice().in_tenant("acme");
    for (route, sample) in samples(&app, &alice).into_iter().filter(|(route, _)| !PAGES.contains(&&*route.path)) {
        for query in ["hunter2=1", "hunter2", "=", "%FF"] {
            let path = format!("{}?{query}", sample.path);
            let response = alice.send_json(&sample.method, &path, sample.body.as_deref());
            assert_eq!(response.outcome(), "400 malformed-request", "{} with ?{query}", route.name());
            assert!(!response.body.contains("hunter2"), "{response}");
        }
    }
}

#[rstest]
fn page_ignores_query_parameters(app: TestApp) {
    for path in PAGES {
        let response = app.anonymous().get(&format!("{path}?utm_source=mail"));
        assert_eq!(response.outcome(), "200", "{path}");
    }
}

#[rstest]
fn invalid_page_parameters_are_rejected(app: TestApp) {
    let alice = app.alice().in_tenant("acme");
    let paged: Vec<Route> = routes(&app).into_iter().filter(|route| route.has_parameter("cursor")).collect();
    assert!(paged.len() >= 3, "{paged:?}");
    let cursors = other_uuid_forms("019a0000-0000-7000-8000-00000000acee").map(|cursor| format!("cursor={cursor}"));
    let cursors = cursors.map(|cursor| cursor.replace('{', "%7B").replace('}', "%7D"));
    let limits = ["limit=%2B5", "limit=+5", "limit=05", "limit=5.0", "limit=5e0", "limit=", "limit=5&limit=5"];
    for route in paged {
        for query in limits.into_iter().chain(cursors.iter().map(String::as_str)) {
            let response = alice.get(&format!("{}?{query}", route.path));
            assert_eq!(response.outcome(), "400 malformed-request", "{} with ?{query}", route.name());
        }
    }
}

#[rstest]
fn only_documented_methods_are_allowed(app: TestApp) {
    let alice = app.alice().in_tenant("acme");
    let samples = samples(&app, &alice);
    for (route, sample) in &samples {
        let mut allowed: Vec<&str> = Vec::new();
        for (other, _) in samples.iter().filter(|(other, _)| other.path == route.path) {
            allowed.push(&other.method);
            allowed.extend((other.method == "GET").then_some("HEAD"));
        }
        allowed.sort_unstable();
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            if allowed.contains(&method) {
                continue;
            }
            let response = app.anonymous().send(method, &sample.path, None);
            assert_eq!(response.status, 405, "{method} {}", route.path);
            let mut allow: Vec<&str> = response.header("allow").unwrap_or_default().split(", ").collect();
            allow.sort_unstable();
            assert_eq!(allow, allowed, "{method} {}", route.path);
        }
    }
}

/// Pages that the document doesn't list.
#[rstest]
fn undocumented_pages_allow_get_and_head(app: TestApp) {
    let anonymous = app.anonymous();
    for (path, status) in [("/docs", 308), ("/docs/swagger-ui.css", 200), ("/docs/nowhere", 404)] {
        assert_eq!(anonymous.get(path).status, status, "GET {path}");
        assert_eq!(anonymous.send("HEAD", path, None).status, status, "HEAD {path}");
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let response = anonymous.send(method, path, None);
            assert_eq!((response.status, response.header("allow")), (405, Some("GET, HEAD")), "{method} {path}");
        }
        assert_eq!(anonymous.get(&format!("{path}?utm_source=mail")).status, status, "GET {path} with a query");
    }
}

#[rstest]
fn head_matches_get(app: TestApp) {
    let alice = app.alice().in_tenant("acme");
    for (route, sample) in samples(&app, &alice).iter().filter(|(route, _)| route.method == "GET") {
        let (get, head) = (alice.get(&sample.path), alice.send("HEAD", &sample.path, None));
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{}", route.name());
        for header in ["content-type", "content-length", "cache-control"] {
            assert_eq!(head.header(header), get.header(header), "{header} of {}", route.name());
        }
    }
}

#[rstest]
fn invalid_head_is_rejected_on_every_path(app: TestApp) {
    let alice = app.alice().in_tenant("acme");
    let paths = samples(&app, &alice).into_iter().map(|(_, sample)| (sample.method, sample.path));
    let undocumented = ["/docs", "/docs/swagger-ui.css", "/nowhere"].map(|path| ("GET".to_owned(), path.to_owned()));
    let send = |method: &str, path: &str, headers: &str| {
        app.send_raw(&format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n")).to_lowercase()
    };
    for (method, path) in paths.chain(undocumented) {
        let response = send(&method, &path, "Host: localhost\r\nContent-Encoding: gzip\r\n");
        assert!(response.starts_with("http/1.1 415 "), "{method} {path}: {response}");
        assert!(response.contains("\r\naccept-encoding: identity\r\n"), "{method} {path}: {response}");
        let json = "Content-Type: application/json\r\n";
        for headers in [
            format!("Host: localhost\r\n{json}{json}"),
            format!("Host: localhost\r\n{json}Content-Type: text/plain\r\n"),
            "Host: hunter2@localhost\r\n".into(),
            "Host: hunter2 localhost\r\n".into(),
            "Host: localhost:+80\r\n".into(),
            "Host: \r\n".into(),
        ] {
            let response = send(&method, &path, &headers);
            assert!(response.starts_with("http/1.1 400 "), "{method} {path} with {headers}: {response}");
            assert!(!response.contains("hunter2"), "{response}");
            assert!(response.contains("malformed-request"), "{method} {path} with {headers}: {response}");
        }
        // Rejected by actix.
        let response = send(&method, &path, "");
        assert!(response.starts_with("http/1.1 400 "), "{method} {path} without host: {response}");
    }
}

#[rstest]
fn ambiguous_body_is_rejected(app: TestApp) {
    let alice = app.alice().in_tenant("acme");
    for (route, sample) in samples(&app, &alice) {
        let Some(body) = json_body(&sample) else { continue };
        let send = |body: &str| alice.send_json(&sample.method, &sample.path, Some(body));
        let fields = body.as_object().unwrap();
        // serde reads an array of a struct's fields as the struct.
        let array = Value::from_iter(fields.values().cloned()).to_string();
        send(&array).assert_invalid_body("", &array);
        let (name, value) = fields.iter().next().unwrap();
        let twice = body.to_string().replacen('{', &format!("{{\"{name}\":{value},"), 1);
        send(&twice).assert_invalid_body("", &twice);
        let unknown = body.to_string().replacen('{', "{\"hunter2\":1,", 1);
        send(&unknown).assert_invalid_body("", &unknown);
        let invalid_utf8 = app.send_raw_bytes(
            &[
                format!(
                    "{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
                     X-Tenant-Id: acme\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n",
                    sample.method,
                    sample.path,
                    app.access_token("alice@example.com")
                )
                .as_bytes(),
                b"{\"a\xff\":1}",
            ]
            .concat(),
        );
        assert!(invalid_utf8.starts_with("HTTP/1.1 400 "), "{}: {invalid_utf8}", route.name());
    }
}

#[rstest]
fn control_characters_in_body_are_rejected(app: TestApp) {
    let alice = app.alice().in_tenant("acme");
    for (_, sample) in samples(&app, &alice) {
        let Some(body) = json_body(&sample) else { continue };
        for (pointer, text) in strings(&body) {
            for character in ['\0', '\n', '\u{7f}', '\u{85}'] {
                let body = replaced(&body, &pointer, &format!("{text}{character}"));
                let response = alice.send_json(&sample.method, &sample.path, Some(&body));
                response.assert_invalid_body(&pointer, &body);
            }
        }
    }
    let condition = json!({"effect": "allow", "resource": "user", "verbs": ["read"], "condition": {"plan": "\0"}});
    alice.post("/v1/policies", &condition).assert_invalid_body("/condition", &condition);
    let repeated =
        r#"{"effect": "allow", "resource": "user", "verbs": ["read"], "condition": {"owner": {}, "owner": {}}}"#;
    alice.post("/v1/policies", repeated).assert_invalid_body("/condition", repeated);
}

/// The document says so with `pattern`, unless the strings have a format or are listed.
#[rstest]
fn strings_in_bodies_exclude_control_characters_as_documented(app: TestApp) {
    let document = app.anonymous().get("/openapi.json").json();
    let password = &document["components"]["schemas"]["SignInRequest"]["properties"]["password"];
    assert_eq!(password["pattern"], r"^[^\u0000-\u001f\u007f-\u009f]*$", "{password}");
    let verb = &document["components"]["schemas"]["CreatePolicyRequest"]["properties"]["verbs"]["items"];
    assert_eq!(verb["pattern"], password["pattern"], "{verb}");
    let token = &document["components"]["schemas"]["SignInResponse"]["properties"]["access_token"];
    assert_eq!(token["pattern"], Value::Null, "{token}");
}

#[rstest]
fn only_hyphenated_uuids_are_accepted(app: TestApp) {
    let alice = app.alice().in_tenant("acme");
    let mut tested = [0, 0];
    for (route, sample) in samples(&app, &alice) {
        let body = json_body(&sample).unwrap_or_default();
        for (pointer, id) in strings(&body).iter().filter(|(_, text)| is_uuid(text)) {
            for form in other_uuid_forms(id) {
                let body = replaced(&body, pointer, &form);
                let response = alice.send_json(&sample.method, &sample.path, Some(&body));
                response.assert_invalid_body(pointer, &body);
                tested[0] += 1;
            }
        }
        if let Some(id) = sample.path.split('/').find(|part| is_uuid(part)) {
            for form in other_uuid_forms(id) {
                let path = sample.path.replace(id, &form.replace('{', "%7B").replace('}', "%7D"));
                let response = alice.send_json(&sample.method, &path, sample.body.as_deref());
                assert_eq!(response.outcome(), "400 malformed-request", "{} at {path}", route.name());
                tested[1] += 1;
            }
        }
    }
    assert!(tested.iter().all(|count| *count >= 6), "{tested:?}");
    for form in other_uuid_forms(&app.seed.tenants.acme.id.to_string()) {
        assert_eq!(alice.in_tenant(&form).get("/v1/tenant").outcome(), "404 tenant-not-found", "{form}");
    }
}

/// The document says so with `required` or `minProperties`.
#[rstest]
fn empty_object_is_rejected_as_documented(app: TestApp) {
    let alice = app.alice().in_tenant("acme");
    for (route, sample) in samples(&app, &alice) {
        let Some(schema) = route.body_schema() else { continue };
        let response = alice.send_json(&sample.method, &sample.path, Some("{}"));
        let is_documented = schema.get("required").is_some() || schema["minProperties"].as_u64() >= Some(1);
        assert_eq!(response.status == 422, is_documented, "{}: {response}", route.name());
    }
}

/// Sends the head of each sample request, which announces a body of five bytes, and the start of the body.
fn send_unfinished(app: &TestApp) -> Vec<(String, TcpStream)> {
    let token = app.access_token("alice@example.com");
    let send = |(route, sample): (Route, Sample)| {
        let mut stream = TcpStream::connect(app.addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let head = format!(
            "{} {} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nX-Tenant-Id: acme\r\n\
             Content-Type: application/json\r\nContent-Length: 5\r\n\r\n{{",
            sample.method, sample.path
        );
        stream.write_all(head.as_bytes()).unwrap();
        (route.name(), stream)
    };
    samples(app, &app.alice().in_tenant("acme")).into_iter().map(send).collect()
}

fn read_start(stream: &mut TcpStream) -> String {
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    String::from_utf8_lossy(&start).into_owned()
}

#[test]
fn incomplete_body_times_out_on_every_route() {
    let app = TestApp::with_http(|config| config.client_timeout = Duration::from_secs(2));
    for (name, mut stream) in send_unfinished(&app) {
        assert_eq!(read_start(&mut stream), "HTTP/1.1 408", "{name}");
    }
    assert_unchanged(&app);
}

#[rstest]
fn request_with_lost_body_changes_nothing(app: TestApp) {
    for (name, mut stream) in send_unfinished(&app) {
        stream.shutdown(Shutdown::Write).unwrap();
        let mut response = String::new();
        _ = stream.read_to_string(&mut response);
        assert!(response.is_empty() || response.starts_with("HTTP/1.1 400 "), "{name}: {response}");
    }
    assert_unchanged(&app);
}

/// No route has archived the tenant, or removed Alice from it.
fn assert_unchanged(app: &TestApp) {
    assert_eq!(app.alice().in_tenant("acme").get("/v1/tenant").status, 200);
}
