//! The program itself, as a user runs it.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use embedded_postgres::{Options, Server};
use kernel::db::{DatabaseUrl, MIGRATIONS};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use test_support::{TestDb, search_path};

/// The example of RFC 8410, section 10.3.
pub(crate) const SIGNING_KEY: &str = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";

/// A folder to run it in, which the database's own user can pass through when this runs as root.
pub(crate) fn work_dir() -> TempDir {
    let work_dir = tempfile::Builder::new().prefix("tenantry-").tempdir().unwrap();
    fs::set_permissions(work_dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    work_dir
}

/// The program in the folder, with nothing in its environment but these.
pub(crate) fn tenantry_command(work_dir: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> Command {
    let path = search_path().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
    command.env_clear().env("PATH", path).env("HTTP_PORT", "0").envs(settings.iter().copied());
    command.args(arguments).current_dir(work_dir).stdin(Stdio::null());
    command
}

/// Runs it to its end, whose outputs must fit into a pipe's buffer.
pub(crate) fn run(work_dir: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    wait_with_timeout(&mut tenantry_command(work_dir, settings, arguments))
}

/// The same, with this on its standard input.
pub(crate) fn run_with_stdin(work_dir: &Path, settings: &[(&str, &str)], arguments: &[&str], input: &str) -> Output {
    let (given, mut writer) = std::io::pipe().unwrap();
    writer.write_all(input.as_bytes()).unwrap();
    drop(writer);
    wait_with_timeout(tenantry_command(work_dir, settings, arguments).stdin(given))
}

fn wait_with_timeout(command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("it goes on, and was expected to end: {}", stderr(&child.wait_with_output().unwrap()));
        }
        std::thread::yield_now();
    }
    child.wait_with_output().unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The program, serving.
pub(crate) struct RunningServer {
    pub(crate) child: Child,
    pub(crate) url: String,
    /// All that it has written so far, on both outputs.
    written: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl RunningServer {
    pub(crate) fn start(work_dir: &Path, settings: &[(&str, &str)]) -> Self {
        let mut command = tenantry_command(work_dir, settings, &[]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let written = Arc::new(Mutex::new(String::new()));
        let mut errors = child.stderr.take().unwrap();
        let log = Arc::clone(&written);
        let stderr = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = errors.read(&mut buffer) {
                log.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut url = None;
        for line in lines.by_ref() {
            written.lock().unwrap().push_str(&format!("{line}\n"));
            url = url.or_else(|| {
                line.trim().strip_prefix("API ").map(|url| url.trim().trim_end_matches("/v1/me").to_owned())
            });
            if line.starts_with("  health") {
                break;
            }
        }
        let log = Arc::clone(&written);
        let stdout =
            std::thread::spawn(move || lines.for_each(|line| log.lock().unwrap().push_str(&format!("{line}\n"))));
        let url = url.unwrap_or_else(|| panic!("it didn't start: {}", written.lock().unwrap()));
        Self { child, url, written, readers: vec![stderr, stdout] }
    }

    pub(crate) fn status(&self, path: &str) -> u16 {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        agent.get(format!("{}{path}", self.url)).call().unwrap().status().as_u16()
    }

    /// Waits until it has written this.
    pub(crate) fn wait_for_output(&self, words: &str) {
        wait_until(&format!("{words:?}"), || self.written.lock().unwrap().contains(words));
    }

    pub(crate) fn send_sigint(&self) {
        let signalled = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(signalled.success());
    }

    /// As Ctrl-C does. All that it has written.
    pub(crate) fn interrupt(self) -> String {
        self.send_sigint();
        self.wait_for_exit()
    }

    /// Waits for its end, which must be in order. All that it has written.
    fn wait_for_exit(mut self) -> String {
        let status = self.child.wait().unwrap();
        self.readers.drain(..).for_each(|reader| reader.join().unwrap());
        let written = self.written.lock().unwrap().clone();
        assert!(status.success(), "{status}: {written}");
        written
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        // The embedded database ends with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until it is so, but not for ever.
pub(crate) fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

/// The lines that a shell takes, run as pasted.
fn run_shell(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn cli_first_run_to_shutdown() {
    let work_dir = work_dir();
    let first = RunningServer::start(work_dir.path(), &[]);
    assert_eq!(first.status("/health/ready"), 200);
    // The line to paste comes a moment after the address.
    first.wait_for_output("\ncurl ");
    let written = first.written.lock().unwrap().clone();
    let line = written.lines().find(|line| line.starts_with("curl ")).unwrap();
    let pasted = run_shell(line);
    assert!(pasted.contains("bob@example.com") && pasted.contains("alice@example.com"), "{line}: {pasted}");
    assert!(written.contains("tenantry-demo") && written.contains("/docs/"), "{written}");

    let pid_file = work_dir.path().join("data/postgres/data/postmaster.pid");
    assert!(pid_file.exists());
    first.interrupt();
    assert!(!pid_file.exists(), "the database goes on");

    // What was changed in between stays: the second start seeds nothing.
    let db = start_embedded(work_dir.path());
    db.sql("UPDATE users SET display_name = 'Alice Changed' WHERE email = 'alice@example.com'; DELETE FROM auth_credentials");
    drop(db);
    let second = RunningServer::start(work_dir.path(), &[]);
    assert_eq!(second.status("/health/ready"), 200);
    second.interrupt();
    let db = start_embedded(work_dir.path());
    assert_eq!(db.sql("SELECT display_name FROM users ORDER BY email LIMIT 1").trim(), "Alice Changed");
    assert_eq!(db.sql("SELECT count(*) FROM auth_credentials").trim(), "0");
}

/// The embedded database of a program that isn't running.
pub(crate) struct EmbeddedDb(pub(crate) Server);

pub(crate) fn start_embedded(work_dir: &Path) -> EmbeddedDb {
    let options = Options { search_path: search_path(), ..Options::new(work_dir.join("data/postgres")) };
    EmbeddedDb(Server::start(options).unwrap())
}

impl EmbeddedDb {
    pub(crate) fn sql(&self, sql: &str) -> String {
        let psql = Command::new(self.0.bin_dir().join("psql"))
            .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-h"])
            .arg(self.0.socket_dir())
            .args(["-p", &self.0.port().to_string(), "-U", self.0.superuser(), "-d", "tenantry", "-c", sql])
            .output()
            .unwrap();
        assert!(psql.status.success(), "{}", stderr(&psql));
        String::from_utf8(psql.stdout).unwrap()
    }
}

#[test]
fn second_instance_fails_with_one_line() {
    let work_dir = work_dir();
    let first = RunningServer::start(work_dir.path(), &[]);
    let port = first.url.rsplit(':').next().unwrap();

    let same_data = run(work_dir.path(), &[("LOG_LEVEL", "error")], &[]);
    assert!(!same_data.status.success());
    assert_eq!(stderr(&same_data).lines().count(), 1, "{}", stderr(&same_data));
    assert!(stderr(&same_data).contains("in use by another process"), "{}", stderr(&same_data));

    let other = self::work_dir();
    let same_port = run(other.path(), &[("HTTP_PORT", port), ("LOG_LEVEL", "error")], &[]);
    assert!(!same_port.status.success());
    assert_eq!(stderr(&same_port).lines().count(), 1, "{}", stderr(&same_port));
    assert!(stderr(&same_port).contains("is taken"), "{}", stderr(&same_port));
    assert!(!other.path().join("data").exists(), "it began with a database though it had no port");

    assert_eq!(first.status("/health/ready"), 200);
    first.interrupt();
}

#[test]
fn all_config_errors_are_reported() {
    let work_dir = work_dir();
    let settings = [
        ("LOG_LEVEL", "tenantry=loud"),
        ("AUTH_SIGNING_KEY", "hunter2"),
        ("HTTP_PORT", "many"),
        ("DB_POOL_SIZE", "0"),
        ("DATABASE_URL", "mysql://u:hunter2@h/d"),
        ("AUTH_TOKEN_TTL_SECS", "1"),
    ];
    let output = run(work_dir.path(), &settings, &[]);
    assert!(!output.status.success());
    for (key, _) in settings {
        assert!(stderr(&output).contains(key), "{key} isn't named: {}", stderr(&output));
    }
    assert!(!stderr(&output).contains("hunter2"));
    assert_eq!(fs::read_dir(work_dir.path()).unwrap().count(), 0, "something was started");
}

#[test]
fn url_with_embedded_driver_is_rejected() {
    let output = run(work_dir().path(), &[("DATABASE_URL", "postgres://u@h/d")], &[]);
    assert!(!output.status.success());
    assert!(stderr(&output).contains("DB_DRIVER=postgres"), "{}", stderr(&output));
}

#[test]
fn unreachable_server_times_out() {
    let settings = [
        ("DB_DRIVER", "postgres"),
        ("DATABASE_URL", "postgres://user:hunter2@127.0.0.1:1/db"),
        ("DB_CONNECT_TIMEOUT_SECS", "1"),
    ];
    for arguments in [&[][..], &["migrate", "status"], &["policies", "status"], &["seed"]] {
        let output = run(work_dir().path(), &settings, arguments);
        assert!(!output.status.success());
        let words = stderr(&output);
        assert!(words.lines().count() == 1 && words.contains("127.0.0.1:1") && !words.contains("hunter2"), "{words}");
    }
}

#[test]
fn production_rejects_seeds_and_embedded() {
    let production =
        [("APP_ENV", "production"), ("AUTH_SIGNING_KEY", SIGNING_KEY), ("DATABASE_URL", "postgres://u@127.0.0.1:1/d")];
    let seed = run(work_dir().path(), &production, &["seed"]);
    assert!(!seed.status.success() && stderr(&seed).contains("no place in production"), "{}", stderr(&seed));
    let embedded = run(work_dir().path(), &[&production[..2], &[("DB_DRIVER", "embedded")]].concat(), &[]);
    assert!(!embedded.status.success() && stderr(&embedded).contains("DB_DRIVER"), "{}", stderr(&embedded));
}

#[test]
fn seed_is_idempotent_and_migrations_revert() {
    let work_dir = work_dir();
    let command = |arguments: &[&str]| {
        let output = run(work_dir.path(), &[("LOG_LEVEL", "error")], arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(command(&["migrate", "status"]).contains("pending"));
    assert!(command(&["migrate", "run", "--dry-run"]).contains("would apply 0005 billing"));
    assert_eq!(command(&["migrate", "run"]).lines().count(), MIGRATIONS.iter().count() / 2);
    let first = command(&["seed"]);
    let second = command(&["seed"]);
    let lines = |output: &str, state| output.lines().filter(|line| line.contains(state)).count();
    let all = lines(&first, "created");
    assert!(all >= 13 && lines(&first, "was there") == 0, "{first}");
    assert_eq!((lines(&second, "created"), lines(&second, "was there")), (0, all), "{second}");
    let reverted = command(&["migrate", "revert"]);
    assert_eq!(command(&["migrate", "run"]).trim().strip_prefix("applied"), reverted.trim().strip_prefix("reverted"));
    assert!(!command(&["migrate", "status"]).contains("pending"));
}

#[tokio::test]
async fn auto_migrate_is_local_development_only() {
    let empty = TestDb::empty().await;
    let url = empty.url();
    let settings = |environment| {
        [("APP_ENV", environment), ("DB_DRIVER", "postgres"), ("DATABASE_URL", &*url), ("AUTH_SIGNING_KEY", SIGNING_KEY)]
    };
    let work_dir = work_dir();
    // In production this superuser's login is refused before anything else.
    for (environment, words) in [("production", "superuser"), ("test", "tenantry migrate run")] {
        let rejected = run(work_dir.path(), &settings(environment), &[]);
        assert!(!rejected.status.success() && stderr(&rejected).contains(words), "{}", stderr(&rejected));
        let plan = run(work_dir.path(), &settings(environment), &["migrate", "run", "--dry-run"]);
        let migrations = MIGRATIONS.iter().count() / 2;
        assert_eq!(String::from_utf8_lossy(&plan.stdout).matches("would apply").count(), migrations);
    }
    let development = settings("development");
    // The tests may have been given a server elsewhere.
    if DatabaseUrl::parse(&url).unwrap().is_local() {
        let server = RunningServer::start(work_dir.path(), &development);
        assert_eq!(server.status("/health/ready"), 200);
        let written = server.interrupt();
        assert_eq!(written.matches("applied a migration").count(), MIGRATIONS.iter().count() / 2, "{written}");
        let current = run(work_dir.path(), &development, &["migrate", "run"]);
        assert_eq!(String::from_utf8_lossy(&current.stdout).trim(), "nothing to apply: the schema is current");
    } else {
        let rejected = run(work_dir.path(), &development, &[]);
        assert!(!rejected.status.success() && stderr(&rejected).contains("tenantry migrate run"), "{}", stderr(&rejected));
    }
}

#[test]
fn demo_accounts_require_loopback() {
    let work_dir = work_dir();
    RunningServer::start(work_dir.path(), &[]).interrupt();
    let output = run(work_dir.path(), &[("HTTP_HOST", "0.0.0.0"), ("LOG_LEVEL", "error")], &[]);
    assert!(!output.status.success());
    assert!(stderr(&output).contains("password is public"), "{}", stderr(&output));
}

/// Secrets go in by every door; none may come out into the logs, however talkative they are.
#[test]
fn secrets_are_never_logged() {
    let work_dir = work_dir();
    let server =
        RunningServer::start(work_dir.path(), &[("LOG_LEVEL", "trace"), ("LOG_FORMAT", "json"), ("AUTH_SIGNING_KEY", SIGNING_KEY)]);
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let login = |password: &str| {
        let body = format!(r#"{{"email": "alice@example.com", "password": "{password}"}}"#);
        let response = agent.post(format!("{}/v1/auth/login", server.url)).content_type("application/json").send(body);
        response.unwrap().body_mut().read_to_string().unwrap()
    };
    login("secret-password-1");
    let token: serde_json::Value = serde_json::from_str(&login("tenantry-demo")).unwrap();
    let token = token["access_token"].as_str().unwrap();
    for (path, token) in [
        ("/v1/members", token),
        ("/v1/me", token),
        ("/v1/me", "secret-token-2"),
        ("/v1/members/secret-path-3", token),
        ("/v1/members?cursor=secret-query-4", token),
        ("/secret-route-5", token),
    ] {
        let request = agent.get(format!("{}{path}", server.url)).header("Authorization", format!("Bearer {token}"));
        request.header("X-Tenant-Id", "acme").header("Cookie", "secret-cookie-6").call().unwrap();
    }
    // An invitation's link is known to whom it is given, and to nobody who reads the logs.
    let post = |path: &str, body: &str| {
        let request = agent.post(format!("{}{path}", server.url)).header("Authorization", format!("Bearer {token}"));
        let response = request.header("X-Tenant-Id", "acme").content_type("application/json").send(body);
        let mut response = response.unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    };
    let role = "019a0000-0000-7002-8000-00000000acee";
    let invitation = post("/v1/invitations", &format!(r#"{{"email": "carol@example.com", "role_id": "{role}"}}"#));
    let link: serde_json::Value = serde_json::from_str(&invitation.1).unwrap();
    let (page, invited) = link["link"].as_str().unwrap().split_once('#').unwrap();
    assert_eq!(page, format!("{}/join", server.url));
    assert_eq!(post("/v1/invitations/accept", &format!(r#"{{"token": "{invited}"}}"#)).0, 404);
    assert_eq!(post("/v1/invitations/accept", r#"{"token": "secret-token-7"}"#).0, 404);
    let written = server.interrupt();
    assert!(
        written.contains(r#""status":200"#) && written.contains("019a0000-0000-7000-8000-00000000a11c"),
        "{written}"
    );
    let signature = token.rsplit('.').next().unwrap();
    for secret in ["secret-", signature, invited, SIGNING_KEY, "$argon2id$v"] {
        let line = written.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} was logged");
    }
}

/// A connection to the database of a running program, behind its back.
pub(crate) struct DbConnection {
    runtime: tokio::runtime::Runtime,
    connection: PgConnection,
}

impl DbConnection {
    pub(crate) fn connect(work_dir: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let socket = work_dir.join("data/postgres/socket");
        let url = format!("postgres://postgres@localhost/tenantry?host={}&sslmode=disable", socket.display());
        let connection = runtime.block_on(PgConnection::connect(&url)).unwrap();
        Self { runtime, connection }
    }

    pub(crate) fn execute(&mut self, sql: &'static str) {
        self.runtime.block_on(sqlx::raw_sql(sql).execute(&mut self.connection)).unwrap();
    }

    /// How many of the program's statements wait for a lock.
    pub(crate) fn count_lock_waiters(&mut self) -> i64 {
        let waiting = sqlx::query_scalar("SELECT count(*) FROM pg_locks WHERE NOT granted");
        self.runtime.block_on(waiting.fetch_one(&mut self.connection)).unwrap()
    }
}

/// Signs Alice in, on a thread of its own.
fn sign_in(url: &str) -> JoinHandle<Option<u16>> {
    let url = format!("{url}/v1/auth/login");
    std::thread::spawn(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let body = format!(r#"{{"email": "alice@example.com", "password": "{}"}}"#, seeds::PASSWORD);
        Some(agent.post(url).content_type("application/json").send(body).ok()?.status().as_u16())
    })
}

/// A program with two workers that holds connections either asked for, and a request under way that a lock holds up.
fn start_blocked_request(work_dir: &Path) -> (RunningServer, DbConnection, JoinHandle<Option<u16>>) {
    let server = RunningServer::start(work_dir, &[("HTTP_WORKERS", "2")]);
    server.wait_for_output("\ncurl ");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(server.status("/health/ready"), 200));
        }
    });
    let mut connection = DbConnection::connect(work_dir);
    connection.execute("BEGIN; LOCK TABLE users");
    let request = sign_in(&server.url);
    wait_until("the request to be held up", || connection.count_lock_waiters() == 1);
    (server, connection, request)
}

#[test]
fn graceful_shutdown_finishes_requests() {
    let work_dir = work_dir();
    let (server, mut connection, request) = start_blocked_request(work_dir.path());
    server.send_sigint();
    server.wait_for_output("stopping");
    // From then on nobody else is let in, and the worker that has nothing to do ends.
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    wait_until("the door to close", || std::net::TcpStream::connect(&address).is_err());
    connection.execute("COMMIT");
    assert_eq!(request.join().unwrap(), Some(200));
    server.wait_for_exit();
}

#[test]
fn second_ctrl_c_aborts() {
    let work_dir = work_dir();
    let (server, connection, request) = start_blocked_request(work_dir.path());
    server.send_sigint();
    server.wait_for_output("stopping");
    server.send_sigint();
    server.wait_for_exit();
    // The lock was held all the time.
    drop(connection);
    assert_ne!(request.join().unwrap(), Some(200));
}

#[test]
fn ctrl_c_aborts_startup() {
    // A server that accepts and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://user@{}/db", silent.local_addr().unwrap());
    let work_dir = work_dir();
    let settings = [("DB_DRIVER", "postgres"), ("DATABASE_URL", url.as_str()), ("DB_CONNECT_TIMEOUT_SECS", "300")];
    let mut child = tenantry_command(work_dir.path(), &settings, &[]).stdout(Stdio::null()).spawn().unwrap();
    let _connection = silent.accept().unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    wait_until("its end", || child.try_wait().unwrap().is_some());
    assert!(child.wait().unwrap().success());
}

#[test]
fn closed_stdout_shuts_down_cleanly() {
    let work_dir = work_dir();
    let mut command = tenantry_command(work_dir.path(), &[], &[]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // As `tenantry | head -1` leaves it.
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    drop(child.stderr.take());
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    wait_until("its end", || child.try_wait().unwrap().is_some());
    assert!(child.wait().unwrap().success());
}
