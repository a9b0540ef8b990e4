//! Conditions on the client's address behind a trusted proxy. The test's own connections are those of the proxy.

use serde_json::{Value, json};
use tenantry::config::ForwardedHeader;

use crate::client::{TestApp, send_raw};

fn behind_proxy(header: ForwardedHeader) -> TestApp {
    TestApp::with_http(move |config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        config.forwarded_header = header;
    })
}

/// Gives Bob a new role with one policy on `user:read`. Returns a function that lists members as Bob with these headers,
/// and returns the status.
fn list_members_as_bob(app: &TestApp, effect: &str, ranges: Value) -> impl Fn(&str) -> u16 {
    let acme = app.alice().in_tenant("acme");
    let role = acme.post("/v1/roles", json!({"name": "auditor"})).json()["id"].clone();
    let policy = |effect: &str, condition: Value| {
        let mut policy = json!({"role_id": role, "effect": effect, "resource": "user", "verbs": ["read"]});
        policy["condition"] = condition;
        assert_eq!(acme.post("/v1/policies", policy).status, 201);
    };
    policy(effect, json!({"client_addr": ranges}));
    if effect == "deny" {
        policy("allow", Value::Null);
    }
    let path = format!("/v1/members/{}", app.seed.users.bob.id);
    assert_eq!(acme.patch(&path, json!({"role_id": role})).status, 200);
    let token = app.access_token("bob@example.com");
    let addr = app.addr;
    move |headers| {
        let response = send_raw(
            addr,
            &format!(
                "GET /v1/members HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\nX-Tenant-Id: acme\r\n\
                 Authorization: Bearer {token}\r\n{headers}\r\n"
            ),
        );
        response.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

/// What a client at 203.0.113.9 sends, with what the proxy appends. The header is missing, or one part isn't an address.
const HEADERS_WITHOUT_CLIENT_ADDR: [&str; 9] = [
    "",
    "X-Forwarded-For: 203.0.113.9, unknown\r\n",
    "X-Forwarded-For: 203.0.113.9%eth0\r\n",
    "X-Forwarded-For: \"203.0.113.9\"\r\n",
    "X-Forwarded-For: 203.0.113.9,\r\n",
    "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For:\r\n",
    "X-Forwarded-For: 203.0.113.009\r\n",
    "X-Forwarded-For: 203.0.113.9, \u{e9}\r\n",
    "Forwarded: for=203.0.113.9\r\n",
];

#[test]
fn unknown_address_satisfies_no_allow() {
    let app = behind_proxy(ForwardedHeader::XForwardedFor);
    let members = list_members_as_bob(&app, "allow", json!(["127.0.0.0/8", "198.51.100.0/24"]));
    for headers in HEADERS_WITHOUT_CLIENT_ADDR {
        assert_eq!(members(headers), 403, "{headers}");
    }
    for (hops, status) in [
        ("\u{e9}, 203.0.113.9", 403),
        ("127.0.0.1, 203.0.113.9:4711", 403),
        ("127.0.0.1, [2001:db8::1]:4711, 127.0.0.2", 403),
        ("\u{e9}, 198.51.100.7", 200),
        ("203.0.113.9, 198.51.100.7:4711, 127.0.0.2", 200),
    ] {
        assert_eq!(members(&format!("X-Forwarded-For: {hops}\r\n")), status, "{hops}");
    }
    assert_eq!(members("X-Forwarded-For: 127.0.0.1\r\n"), 200, "a request of the proxy's own host");
}

#[test]
fn unknown_address_satisfies_deny() {
    let app = behind_proxy(ForwardedHeader::XForwardedFor);
    let members = list_members_as_bob(&app, "deny", json!(["192.0.2.0/24"]));
    for headers in HEADERS_WITHOUT_CLIENT_ADDR {
        assert_eq!(members(headers), 403, "{headers}");
    }
    assert_eq!(members("X-Forwarded-For: 192.0.2.1, 203.0.113.9\r\n"), 200);
    assert_eq!(members("X-Forwarded-For: 192.0.2.1:80\r\n"), 403);
}

#[test]
fn forwarded_header_is_configurable() {
    let app = behind_proxy(ForwardedHeader::Forwarded);
    let members = list_members_as_bob(&app, "allow", json!(["198.51.100.0/24"]));
    for (headers, status) in [
        ("Forwarded: for=198.51.100.7;proto=https\r\n", 200),
        ("Forwarded: for=\", for=\"198.51.100.7:4711\"\r\nX-Forwarded-For: 203.0.113.9\r\n", 200),
        ("Forwarded: for=198.51.100.7, for=203.0.113.9\r\nX-Forwarded-For: 198.51.100.7\r\n", 403),
        ("Forwarded: for=203.0.113.9;host=\"x, for=198.51.100.7\"\r\n", 403),
        ("X-Forwarded-For: 198.51.100.7\r\n", 403),
    ] {
        assert_eq!(members(headers), status, "{headers}");
    }
}
