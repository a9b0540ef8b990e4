//! An HTTP server on a separate database, and clients that send requests to it.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Write as _},
    io::Write as _,
    net::{SocketAddr, TcpStream},
    num::NonZero,
    sync::mpsc,
    thread::JoinHandle,
    time::Duration,
};

use actix_web::dev::ServerHandle;
use auth::{AuthSettings, SigningKey};
use kernel::TenancyMode;
use rstest::fixture;
use secrecy::SecretString;
use seeds::Seed;
use serde_json::{Value, json};
use tenantry::{
    background, bootstrap,
    config::HttpConfig,
    http::{self, ConnectionLimit},
};
use test_support::SeededDb;

use crate::{documented_responses::assert_documented, superuser_connection::DbConnection};

/// A running server with the demo data. Dropping this value stops it.
pub(crate) struct TestApp {
    pub(crate) seed: Seed,
    pub(crate) addr: SocketAddr,
    /// Signs its access tokens, as PEM.
    pub(crate) signing_key: SecretString,
    /// The URL of its database with the superuser's login.
    database_url: String,
    server: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

#[fixture]
pub(crate) fn app() -> TestApp {
    TestApp::start()
}

struct StartedServer {
    seed: Seed,
    addr: SocketAddr,
    database_url: String,
    server: ServerHandle,
}

impl TestApp {
    /// Starts a server in the default tenancy mode.
    pub(crate) fn start() -> Self {
        Self::with_tenancy(TenancyMode::default())
    }

    /// Starts a server in this tenancy mode.
    pub(crate) fn with_tenancy(tenancy: TenancyMode) -> Self {
        Self::with_settings(tenancy, |_| (), None)
    }

    /// Starts a server with background work. Denials and failed sign-ins are written to the audit log at once.
    pub(crate) fn with_background() -> Self {
        Self::with_settings(TenancyMode::default(), |_| (), Some(Duration::from_millis(20)))
    }

    /// Starts a server with changed HTTP settings.
    pub(crate) fn with_http(configure: impl FnOnce(&mut HttpConfig) + Send + 'static) -> Self {
        Self::with_settings(TenancyMode::default(), configure, None)
    }

    fn with_settings(
        tenancy: TenancyMode,
        configure: impl FnOnce(&mut HttpConfig) + Send + 'static,
        flush_interval: Option<Duration>,
    ) -> Self {
        let mut config = HttpConfig { port: 0, workers: NonZero::new(1), body_limit: 8192, ..HttpConfig::default() };
        configure(&mut config);
        let (signing_key, pem) = SigningKey::generate().unwrap();
        let (started, wait) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(run_server(signing_key, tenancy, config, flush_interval, started))
        });
        let StartedServer { seed, addr, database_url, server } = wait.recv().expect("the server did not start");
        Self { seed, addr, signing_key: pem, database_url, server, thread: Some(thread) }
    }

    /// Returns a client without credentials.
    pub(crate) fn anonymous(&self) -> Client {
        Client::new(&format!("http://{}", self.addr))
    }

    /// Signs in Alice, an admin of both demo tenants.
    pub(crate) fn alice(&self) -> Client {
        self.anonymous().sign_in("alice@example.com", seeds::PASSWORD)
    }

    /// Signs in Bob, a member of Acme.
    pub(crate) fn bob(&self) -> Client {
        self.anonymous().sign_in("bob@example.com", seeds::PASSWORD)
    }

    /// Signs in Carol, who has an account but is in no tenant. Creates the account if necessary.
    pub(crate) fn carol(&self) -> Client {
        self.sql(
            "INSERT INTO users (id, email, display_name)
             VALUES ('019a0000-0000-7000-8000-0000000ca201', 'carol@example.com', 'Carol Clark')
             ON CONFLICT DO NOTHING",
        );
        self.user("carol@example.com")
    }

    /// Signs in the user with this e-mail address. Creates the account if necessary, with the demo accounts' password.
    pub(crate) fn user(&self, email: &str) -> Client {
        self.sql(&format!(
            "INSERT INTO users (id, email, display_name)
             VALUES (gen_random_uuid(), '{email}', 'Made Up')
             ON CONFLICT DO NOTHING;
             INSERT INTO auth_credentials (user_id, password_hash)
             SELECT u.id, c.password_hash
             FROM users AS u, (SELECT password_hash FROM auth_credentials LIMIT 1) AS c
             WHERE u.email = '{email}'
             ON CONFLICT DO NOTHING",
        ));
        self.anonymous().sign_in(email, seeds::PASSWORD)
    }

    /// Signs in a demo account and returns the access token.
    pub(crate) fn access_token(&self, email: &str) -> String {
        self.anonymous().login(email, seeds::PASSWORD).access_token()
    }

    /// Sends a raw HTTP request and returns everything until the server closes the connection.
    pub(crate) fn send_raw(&self, request: &str) -> String {
        send_raw(self.addr, request)
    }

    /// Sends any bytes and returns everything until the server closes the connection.
    pub(crate) fn send_raw_bytes(&self, request: &[u8]) -> String {
        send_raw_bytes(self.addr, request)
    }

    /// Connects to its database as the superuser.
    pub(crate) fn database(&self) -> DbConnection {
        DbConnection::connect(&self.database_url)
    }

    /// Runs SQL on its database as the superuser.
    pub(crate) fn sql(&self, sql: &str) {
        self.database().execute(sql);
    }

    /// Terminates all connections to the database and rejects new ones.
    pub(crate) fn disconnect_database(&self) {
        let (before, after) = self.database_url.split_once('?').unwrap_or((&self.database_url, ""));
        let (server, name) = before.rsplit_once('/').unwrap();
        let mut maintenance = DbConnection::connect(&format!("{server}/postgres?{after}"));
        maintenance.execute(&format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false"));
        maintenance
            .execute(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"));
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        // `stop` sends its command right away, so the future needn't be polled.
        drop(self.server.stop(false));
        let result = self.thread.take().map(JoinHandle::join);
        if matches!(result, Some(Err(_))) && !std::thread::panicking() {
            panic!("the server panicked");
        }
    }
}

async fn run_server(
    signing_key: SigningKey,
    tenancy: TenancyMode,
    config: HttpConfig,
    flush_interval: Option<Duration>,
    started: mpsc::Sender<StartedServer>,
) {
    let seeded = SeededDb::new().await;
    let settings = AuthSettings {
        issuer: "tenantry".into(),
        audience: "tenantry-api".into(),
        token_ttl: Duration::from_secs(900),
        signing_key,
    };
    let module = bootstrap::build_app(seeded.db.module(), tenancy, settings);
    let limit = ConnectionLimit::reserve(&config, 10).unwrap();
    let bound = http::bind(&config).unwrap();
    let addr = bound.addr;
    let server = http::start(bound, &config, limit, module.clone()).unwrap();
    let (seed, database_url) = (seeded.seed.clone(), seeded.url());
    started.send(StartedServer { seed, addr, database_url, server: server.handle() }).unwrap();
    let background = async {
        match flush_interval {
            Some(interval) => match background::run(module, interval).await {},
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        stopped = server => stopped.unwrap(),
        () = background => unreachable!(),
    }
}

/// Sends a raw HTTP request and returns everything until the server closes the connection.
pub(crate) fn send_raw(addr: SocketAddr, request: &str) -> String {
    send_raw_bytes(addr, request.as_bytes())
}

fn send_raw_bytes(addr: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.write_all(request).unwrap();
    std::io::read_to_string(stream).unwrap()
}

/// Sends requests with a fixed set of headers.
#[derive(Clone)]
pub(crate) struct Client {
    agent: ureq::Agent,
    base: String,
    headers: Vec<(&'static str, String)>,
}

impl Client {
    /// Creates a client without credentials.
    pub(crate) fn new(base: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(30)))
            .build();
        Self { agent: agent.into(), base: base.into(), headers: Vec::new() }
    }

    pub(crate) fn login(&self, email: &str, password: &str) -> Response {
        self.post("/v1/auth/login", json!({"email": email, "password": password}))
    }

    pub(crate) fn sign_in(&self, email: &str, password: &str) -> Self {
        self.with_token(&self.login(email, password).access_token())
    }

    /// Returns a client with this access token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        self.with_header("Authorization", &format!("Bearer {token}"))
    }

    /// Returns a client that selects this tenant by header.
    pub(crate) fn in_tenant(&self, tenant: &str) -> Self {
        self.with_header("X-Tenant-Id", tenant)
    }

    /// Returns a client with this header, which replaces one of the same name.
    pub(crate) fn with_header(&self, name: &'static str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.retain(|(other, _)| *other != name);
        client.headers.push((name, value.into()));
        client
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.send("GET", path, None)
    }

    pub(crate) fn post(&self, path: &str, body: impl Display) -> Response {
        self.send_json("POST", path, Some(&body.to_string()))
    }

    pub(crate) fn patch(&self, path: &str, body: impl Display) -> Response {
        self.send_json("PATCH", path, Some(&body.to_string()))
    }

    pub(crate) fn delete(&self, path: &str) -> Response {
        self.send("DELETE", path, None)
    }

    /// Sends a request with a JSON body, if there is a body.
    pub(crate) fn send_json(&self, method: &str, path: &str, body: Option<&str>) -> Response {
        match body {
            Some(_) => self.with_header("Content-Type", "application/json").send(method, path, body),
            None => self.send(method, path, None),
        }
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: Option<&str>) -> Response {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let response = match body {
            Some(body) => self.agent.run(request.body(body.to_owned()).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        let mut response = response.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let body = response.body_mut().read_to_string().unwrap();
        let header = |(name, value): (&ureq::http::HeaderName, &ureq::http::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        let response = Response {
            status: response.status().as_u16(),
            headers: response.headers().iter().map(header).collect(),
            body,
        };
        let is_problem = response.header("content-type") == Some("application/problem+json") && method != "HEAD";
        let problem = is_problem.then(|| response.problem());
        assert_documented(method, path, response.status, problem.as_deref());
        response
    }
}

pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn json(&self) -> Value {
        parse_sorted(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Returns the problem type without its prefix, or `none`.
    pub(crate) fn problem(&self) -> String {
        let json = self.json();
        json["type"].as_str().and_then(|kind| kind.strip_prefix("urn:tenantry:problem:")).unwrap_or("none").to_owned()
    }

    /// Returns the status, with the problem type if it is an error: `201` or `409 slug-taken`.
    pub(crate) fn outcome(&self) -> String {
        match self.status {
            status @ 200..300 => status.to_string(),
            status => format!("{status} {}", self.problem()),
        }
    }

    /// Returns the access token of a successful login.
    pub(crate) fn access_token(&self) -> String {
        assert_eq!(self.status, 200, "{self}");
        self.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// Asserts that a request was rejected because of the value at `pointer` in its body. The response must not repeat
    /// the invalid value: `hunter2` in most tests.
    #[track_caller]
    pub(crate) fn assert_invalid_body(&self, pointer: &str, body: impl Display) {
        assert_eq!(self.outcome(), "422 invalid-body", "{body}: {self}");
        assert_eq!(self.json()["errors"][0]["pointer"], pointer, "{body}: {self}");
        assert!(!self.body.to_lowercase().contains("hunter2"), "{self}");
    }
}

/// The whole response for snapshots, with values that vary between runs redacted.
impl Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut head: Vec<String> = Vec::new();
        for (name, value) in &self.headers {
            match name.as_str() {
                "date" => {}
                "x-request-id" => head.push(format!("{name}: [id]")),
                "content-length" => head.push(format!("{name}: [length]")),
                _ => head.push(format!("{name}: {value}")),
            }
        }
        head.sort();
        writeln!(f, "HTTP {}\n{}\n", self.status, head.join("\n"))?;
        match parse_sorted(&self.body) {
            Ok(mut json) => {
                redact(&mut json);
                f.write_str(&serde_json::to_string_pretty(&json).unwrap())
            }
            Err(_) => f.write_str(&self.body),
        }
    }
}

/// Parses JSON and sorts object fields by name. Another crate in the build may enable `preserve_order` of `serde_json`;
/// snapshots must not depend on that.
fn parse_sorted(text: &str) -> serde_json::Result<Value> {
    let mut json: Value = serde_json::from_str(text)?;
    json.sort_all_objects();
    Ok(json)
}

/// Replaces times and tokens.
fn redact(json: &mut Value) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "member_since" | "created_at" | "expires_at" => *value = "[time]".into(),
                    "access_token" => *value = "[token]".into(),
                    _ => redact(value),
                }
            }
        }
        _ => {}
    }
}

/// Formats several responses for a snapshot, each below the request it answers.
pub(crate) fn transcript<'a>(responses: impl IntoIterator<Item = (&'a str, Response)>) -> String {
    let mut text = String::new();
    for (request, response) in responses {
        write!(text, "### {request}\n{response}\n\n").unwrap();
    }
    text
}

/// Counts responses by their outcome.
pub(crate) fn count_outcomes(responses: Vec<Response>) -> BTreeMap<String, usize> {
    let mut outcomes = BTreeMap::new();
    for response in responses {
        *outcomes.entry(response.outcome()).or_default() += 1;
    }
    outcomes
}
