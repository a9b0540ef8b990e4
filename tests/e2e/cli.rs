//! The program as a user runs it: first start, configuration errors, secrets in logs, signals.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    thread::JoinHandle,
};

use db::{DatabaseUrl, MIGRATIONS};
use serde_json::json;
use test_support::{Logins, OwnedDb, TempDb};

use crate::{
    process::{
        RunningServer, SIGNING_KEY, assert_failure, assert_one_line_failure, assert_success, connect_embedded, run,
        seeded_work_dir, send_signal, spawn_piped, start_embedded, stderr, stdout, tenantry_command, wait_until,
        work_dir,
    },
    superuser_connection::DbConnection,
};

/// Runs a line as if it was pasted into a shell and returns its standard output.
fn run_shell(line: &str) -> String {
    stdout(&Command::new("sh").args(["-c", line]).output().unwrap())
}

#[test]
fn cli_first_run_to_shutdown() {
    let work_dir = work_dir();
    let first = RunningServer::start(work_dir.path(), &[]);
    first.assert_ready();
    // The example request is printed after the address.
    first.wait_for_output("\ncurl ");
    let output = first.output();
    let line = output.lines().find(|line| line.starts_with("curl ")).unwrap();
    let response = run_shell(line);
    assert!(response.contains("bob@example.com") && response.contains("alice@example.com"), "{line}: {response}");
    assert!(output.contains("tenantry-demo") && output.contains("/docs/"), "{output}");

    let pid_file = work_dir.path().join("data/postgres/data/postmaster.pid");
    assert!(pid_file.exists());
    first.interrupt();
    assert!(!pid_file.exists(), "the database is still running");

    // The second start keeps changed data, since it seeds only a new database.
    let db = start_embedded(work_dir.path());
    db.sql("UPDATE users SET display_name = 'Alice Changed' WHERE email = 'alice@example.com'; DELETE FROM auth_credentials");
    drop(db);
    RunningServer::start_and_stop(work_dir.path(), &[]);
    let db = start_embedded(work_dir.path());
    assert_eq!(db.sql("SELECT display_name FROM users ORDER BY email LIMIT 1").trim(), "Alice Changed");
    assert_eq!(db.sql("SELECT count(*) FROM auth_credentials").trim(), "0");
}

#[test]
fn second_instance_fails_with_one_line() {
    let work_dir = work_dir();
    let first = RunningServer::start(work_dir.path(), &[]);
    let port = first.url.rsplit(':').next().unwrap();

    let same_data = run(work_dir.path(), &[("LOG_LEVEL", "error")], &[]);
    assert_one_line_failure(&same_data, "in use by another process");

    let other = self::work_dir();
    let same_port = run(other.path(), &[("HTTP_PORT", port), ("LOG_LEVEL", "error")], &[]);
    assert_one_line_failure(&same_port, "is already in use");
    assert!(!other.path().join("data").exists(), "the database was created although the port is in use");

    first.assert_ready();
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
    for (key, _) in settings {
        assert_failure(&output, key);
    }
    assert!(!stderr(&output).contains("hunter2"));
    assert_eq!(fs::read_dir(work_dir.path()).unwrap().count(), 0, "files were created");
}

/// `/dev/full` exists on Linux only.
#[cfg(target_os = "linux")]
#[test]
fn full_disk_on_standard_output_is_an_error() {
    let work_dir = work_dir();
    for arguments in [&["routes"][..], &["--help"], &["--version"], &["db", "status"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = tenantry_command(work_dir.path(), &[], arguments);
        let output = command.stdout(full).stderr(Stdio::piped()).output().unwrap();
        assert_one_line_failure(&output, "standard output can't be written: No space left on device");
    }
}

#[test]
fn closed_standard_output_is_no_error() {
    let work_dir = work_dir();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = tenantry_command(work_dir.path(), &[], &["routes"]);
    assert_success(&command.stdout(writer).stderr(Stdio::piped()).output().unwrap());
}

#[test]
fn url_with_embedded_driver_is_rejected() {
    let output = run(work_dir().path(), &[("DATABASE_URL", "postgres://u@h/d")], &[]);
    assert_failure(&output, "DB_DRIVER=postgres");
}

#[test]
fn unreachable_server_times_out() {
    let settings = [
        ("DB_DRIVER", "postgres"),
        ("DATABASE_URL", "postgres://user:hunter2@127.0.0.1:1/db"),
        ("DB_CONNECT_TIMEOUT_SECS", "1"),
    ];
    std::thread::scope(|scope| {
        for arguments in [&[][..], &["migrate", "status"], &["policies", "status"], &["seed"]] {
            scope.spawn(move || {
                let message = assert_one_line_failure(&run(work_dir().path(), &settings, arguments), "127.0.0.1:1");
                assert!(!message.contains("hunter2"), "{message}");
            });
        }
    });
}

#[test]
fn production_rejects_seeds_and_embedded() {
    let production =
        [("APP_ENV", "production"), ("AUTH_SIGNING_KEY", SIGNING_KEY), ("DATABASE_URL", "postgres://u@127.0.0.1:1/d")];
    assert_failure(&run(work_dir().path(), &production, &["seed"]), "and APP_ENV is production; create accounts");
    let embedded = [&production[..2], &[("DB_DRIVER", "embedded")]].concat();
    assert_failure(&run(work_dir().path(), &embedded, &[]), "DB_DRIVER");
}

#[test]
fn seed_is_idempotent_and_migrations_revert() {
    let work_dir = work_dir();
    let command = |arguments: &[&str]| assert_success(&run(work_dir.path(), &[("LOG_LEVEL", "error")], arguments));
    assert!(command(&["migrate", "status"]).contains("pending"));
    assert!(command(&["migrate", "run", "--dry-run"]).contains("would apply 0005 billing"));
    assert_eq!(command(&["migrate", "run"]).lines().count(), MIGRATIONS.iter().count() / 2);
    let first = command(&["seed"]);
    let second = command(&["seed"]);
    let lines = |output: &str, state| output.lines().filter(|line| line.contains(state)).count();
    let all = lines(&first, "created");
    assert!(all >= 13 && lines(&first, "exists") == 0, "{first}");
    assert_eq!((lines(&second, "created"), lines(&second, "exists")), (0, all), "{second}");
    let reverted = command(&["migrate", "revert"]);
    assert_eq!(command(&["migrate", "run"]).trim().strip_prefix("applied"), reverted.trim().strip_prefix("reverted"));
    assert!(!command(&["migrate", "status"]).contains("pending"));
}

#[tokio::test]
async fn auto_migrate_is_local_development_only() {
    let empty = TempDb::empty().await;
    let url = empty.url();
    let settings = |environment| {
        [
            ("APP_ENV", environment),
            ("DB_DRIVER", "postgres"),
            ("DATABASE_URL", &*url),
            ("DB_ROLE_PREFIX", "tenantry"),
            ("AUTH_SIGNING_KEY", SIGNING_KEY),
        ]
    };
    let work_dir = work_dir();
    // Production rejects the superuser login before it looks at the schema.
    for (environment, message) in [("production", "superuser"), ("test", "tenantry migrate run")] {
        assert_failure(&run(work_dir.path(), &settings(environment), &[]), message);
        let plan = run(work_dir.path(), &settings(environment), &["migrate", "run", "--dry-run"]);
        assert_eq!(stdout(&plan).matches("would apply").count(), MIGRATIONS.iter().count() / 2);
    }
    let development = settings("development");
    // TEST_DATABASE_URL may name a remote server.
    if DatabaseUrl::parse(&url).unwrap().is_local() {
        let output = RunningServer::start_and_stop(work_dir.path(), &development);
        assert_eq!(output.matches("applied a migration").count(), MIGRATIONS.iter().count() / 2, "{output}");
        let current = run(work_dir.path(), &development, &["migrate", "run"]);
        assert_eq!(stdout(&current).trim(), "nothing to apply: the schema is current");
    } else {
        assert_failure(&run(work_dir.path(), &development, &[]), "tenantry migrate run");
    }
}

#[test]
fn demo_accounts_are_only_for_this_machine() {
    let work_dir = seeded_work_dir();
    for (setting, reason) in [
        (("HTTP_HOST", "0.0.0.0"), ["0.0.0.0 is not a loopback address", "set HTTP_HOST=127.0.0.1"]),
        (("PUBLIC_URL", "http://localhost:8080"), ["PUBLIC_URL is set", "unset PUBLIC_URL"]),
        (("TRUSTED_PROXIES", "127.0.0.1"), ["TRUSTED_PROXIES is set", "unset TRUSTED_PROXIES"]),
    ] {
        let [reason, remedy] = reason;
        let settings = [setting, ("LOG_LEVEL", "error")];
        let served = run(work_dir.path(), &settings, &[]);
        let served = assert_one_line_failure(&served, &format!("{reason}: {remedy}, use another database"));
        assert!(served.contains("password is public"), "{served}");
        let seeded = run(work_dir.path(), &settings, &["seed"]);
        let seeded = assert_one_line_failure(&seeded, &format!("{reason}; {remedy}, or create accounts"));
        assert!(seeded.contains("password of its accounts is public"), "{seeded}");
    }
}

#[tokio::test]
async fn demo_accounts_are_rejected_in_production() {
    let (empty, work_dir) = (OwnedDb::new(Logins::Separate).await, work_dir());
    let [application, owner] = empty.urls();
    let settings = |environment| {
        [
            ("APP_ENV", environment),
            ("DB_DRIVER", "postgres"),
            ("DATABASE_URL", application.as_str()),
            ("MIGRATION_DATABASE_URL", owner.as_str()),
            ("DB_ROLE_PREFIX", "tenantry"),
            ("AUTH_SIGNING_KEY", SIGNING_KEY),
            ("LOG_LEVEL", "error"),
        ]
    };
    assert_success(&run(work_dir.path(), &settings("test"), &["migrate", "run"]));
    assert_success(&run(work_dir.path(), &settings("test"), &["seed"]));
    let output = run(work_dir.path(), &settings("production"), &[]);
    assert_one_line_failure(&output, "APP_ENV is production: use another database, or deactivate the accounts");
}

#[test]
fn exposed_database_is_never_seeded() {
    let work_dir = work_dir();
    for settings in [&[("PUBLIC_URL", "https://app.example.com")][..], &[]] {
        let output = RunningServer::start_and_stop(work_dir.path(), settings);
        assert!(!output.contains("alice@example.com"), "{output}");
    }
    assert_eq!(start_embedded(work_dir.path()).sql("SELECT count(*) FROM users").trim(), "0");
}

#[test]
fn weak_sslmode_is_logged_once() {
    let settings = [
        ("APP_ENV", "production"),
        ("AUTH_SIGNING_KEY", SIGNING_KEY),
        ("DATABASE_URL", "postgres://u:hunter2@0.0.0.0:1/d?sslmode=disable"),
        ("MIGRATION_DATABASE_URL", "postgres://u:hunter2@0.0.0.0:1/d?sslmode=require"),
        ("BACKUP_DATABASE_URL", "postgres://u:hunter2@0.0.0.0:1/d?sslmode=verify-ca"),
        ("DB_CONNECT_TIMEOUT_SECS", "1"),
    ];
    let output = run(work_dir().path(), &settings, &[]);
    for warning in [
        " DATABASE_URL sets sslmode=disable",
        " MIGRATION_DATABASE_URL sets sslmode=require",
        " BACKUP_DATABASE_URL sets sslmode=verify-ca",
    ] {
        assert_eq!(assert_failure(&output, "0.0.0.0:1").replace('"', " ").matches(warning).count(), 1, "{warning}");
    }
    assert!(!stderr(&output).contains("hunter2"));
}

/// Sends secrets through every kind of input and checks that none is logged, even at level `trace`.
#[test]
fn secrets_are_never_logged() {
    let work_dir = seeded_work_dir();
    let settings = [("LOG_LEVEL", "trace"), ("LOG_FORMAT", "json"), ("AUTH_SIGNING_KEY", SIGNING_KEY)];
    let server = RunningServer::start(work_dir.path(), &settings);
    let client = server.client().in_tenant("acme").with_header("Cookie", "secret-cookie-6");
    assert_eq!(client.login("alice@example.com", "secret-password-1").status, 401);
    let token = client.login("alice@example.com", seeds::PASSWORD).access_token();
    let alice = client.with_token(&token);
    client.with_token("secret-token-2").get("/v1/me");
    for path in
        ["/v1/members", "/v1/me", "/v1/members/secret-path-3", "/v1/members?cursor=secret-query-4", "/secret-route-5"]
    {
        alice.get(path);
    }
    // An invitation link is a secret of its recipient.
    let role = "019a0000-0000-7002-8000-00000000acee";
    let invitation = alice.post("/v1/invitations", json!({"email": "carol@example.com", "role_id": role})).json();
    let (page, invitation_token) = invitation["link"].as_str().unwrap().split_once('#').unwrap();
    assert_eq!(page, format!("{}/join", server.url));
    for token in [invitation_token, "secret-token-7"] {
        assert_eq!(alice.post("/v1/invitations/accept", json!({"token": token})).status, 404);
    }
    let output = server.interrupt();
    assert!(output.contains(r#""status":200"#) && output.contains("019a0000-0000-7000-8000-00000000a11c"), "{output}");
    let signature = token.rsplit('.').next().unwrap();
    for secret in ["secret-", signature, invitation_token, SIGNING_KEY, "$argon2id$v"] {
        let line = output.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} was logged");
    }
}

/// Starts a server with two workers that both have database connections, and a sign-in that waits for a table lock.
/// The thread returns the status. It panics if the connection is closed without a response.
fn start_blocked_request(work_dir: &Path) -> (RunningServer, DbConnection, JoinHandle<u16>) {
    let server = RunningServer::start(work_dir, &[("HTTP_WORKERS", "2")]);
    server.wait_for_output("\ncurl ");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| server.assert_ready());
        }
    });
    let mut connection = connect_embedded(work_dir);
    connection.execute("BEGIN; LOCK TABLE users");
    let client = server.client();
    let request = std::thread::spawn(move || client.login("alice@example.com", seeds::PASSWORD).status);
    wait_until("the request to wait for the lock", || connection.count_lock_waiters() == 1);
    (server, connection, request)
}

#[test]
fn graceful_shutdown_finishes_requests() {
    let work_dir = seeded_work_dir();
    let (server, mut connection, request) = start_blocked_request(work_dir.path());
    server.send_sigint();
    server.wait_for_output("stopping");
    // The server accepts no new connections, and the idle worker stops.
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    wait_until("the port to close", || std::net::TcpStream::connect(&address).is_err());
    connection.execute("COMMIT");
    assert_eq!(request.join().unwrap(), 200);
    server.wait_for_exit();
}

#[test]
fn second_ctrl_c_aborts() {
    let work_dir = seeded_work_dir();
    let (server, connection, request) = start_blocked_request(work_dir.path());
    server.send_sigint();
    server.wait_for_output("stopping");
    server.send_sigint();
    server.wait_for_exit();
    // The lock was held until here, so the request was aborted.
    drop(connection);
    assert_ne!(request.join().ok(), Some(200));
}

#[test]
fn ctrl_c_aborts_startup() {
    // Accepts connections, but never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://user@{}/db", silent.local_addr().unwrap());
    let work_dir = work_dir();
    let settings = [("DB_DRIVER", "postgres"), ("DATABASE_URL", url.as_str()), ("DB_CONNECT_TIMEOUT_SECS", "300")];
    let mut child = tenantry_command(work_dir.path(), &settings, &[]).stdout(Stdio::null()).spawn().unwrap();
    let _connection = silent.accept().unwrap();
    send_signal(&child, "-INT");
    wait_until("the program to exit", || child.try_wait().unwrap().is_some());
    assert!(child.wait().unwrap().success());
}

#[test]
fn ctrl_c_with_closed_stdout_succeeds() {
    let work_dir = work_dir();
    let mut child = spawn_piped(&mut tenantry_command(work_dir.path(), &[], &[]));
    // Closes the pipes like `tenantry | head -1`.
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    drop(child.stderr.take());
    send_signal(&child, "-INT");
    wait_until("the program to exit", || child.try_wait().unwrap().is_some());
    assert!(child.wait().unwrap().success());
}
