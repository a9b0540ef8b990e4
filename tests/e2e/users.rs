//! `tenantry users create`, and the way to a server that somebody can sign in to.

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Output, Stdio},
    sync::{Arc, Mutex},
};

use nix::{
    pty::openpty,
    sys::termios::{LocalFlags, tcgetattr},
};
use serde_json::Value;
use test_support::{Logins, OwnedDb, TestDb};

use crate::cli::{SIGNING_KEY, RunningServer, work_dir, tenantry_command, run, run_with_stdin, stderr, wait_until};

const PASSWORD: &str = "carol's own words";
const CREATE_CAROL: [&str; 4] = ["users", "create", "--email", "Carol@Example.com"];

fn combined_output(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), stderr(output))
}

/// The status, and the token where there is one.
fn sign_in(server: &RunningServer, email: &str, password: &str) -> (u16, Option<String>) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let body = format!(r#"{{"email": "{email}", "password": "{password}"}}"#);
    let response = agent.post(format!("{}/v1/auth/login", server.url)).content_type("application/json").send(body);
    let mut response = response.unwrap();
    let json: Value = serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap();
    (response.status().as_u16(), json["access_token"].as_str().map(str::to_owned))
}

/// The README's list, "On a server", from its fifth step on.
#[tokio::test]
async fn production_bootstrap_to_first_sign_in() {
    let (empty, work_dir) = (OwnedDb::new(Logins::Separate).await, work_dir());
    let [application, owner] = empty.urls();
    let settings = [
        ("APP_ENV", "production"),
        ("DATABASE_URL", application.as_str()),
        ("LOG_LEVEL", "trace"),
        ("LOG_FORMAT", "json"),
    ];
    let rejected = run_with_stdin(work_dir.path(), &settings, &CREATE_CAROL, PASSWORD);
    assert!(!rejected.status.success() && stderr(&rejected).contains("tenantry migrate run"), "{}", stderr(&rejected));
    let with_owner = [&settings[..], &[("MIGRATION_DATABASE_URL", owner.as_str())]].concat();
    let migrated = tenantry_command(work_dir.path(), &with_owner, &["migrate", "run"]).output();
    assert!(migrated.unwrap().status.success());

    let created = run_with_stdin(work_dir.path(), &settings, &CREATE_CAROL, &format!("{PASSWORD}\n"));
    assert!(created.status.success(), "{}", stderr(&created));
    let words = String::from_utf8_lossy(&created.stdout);
    assert!(words.starts_with("created carol@example.com (") && words.lines().count() == 1, "{words}");
    let arguments = ["tenants", "create", "--slug", "acme", "--name", "Acme Corp", "--admin", "carol@example.com"];
    let tenant_created = run(work_dir.path(), &settings, &arguments);
    assert!(tenant_created.status.success(), "{}", stderr(&tenant_created));
    // It has no use for the server's key, and makes none.
    assert_eq!(fs::read_dir(work_dir.path()).unwrap().count(), 0);

    let server = RunningServer::start(work_dir.path(), &[&settings[..], &[("AUTH_SIGNING_KEY", SIGNING_KEY)]].concat());
    assert_eq!(sign_in(&server, "carol@example.com", "carol's other words"), (401, None));
    let (status, token) = sign_in(&server, "carol@example.com", PASSWORD);
    assert_eq!(status, 200);
    let request = ureq::get(format!("{}/v1/me", server.url));
    let me = request.header("Authorization", format!("Bearer {}", token.unwrap())).call();
    let me: Value = serde_json::from_str(&me.unwrap().body_mut().read_to_string().unwrap()).unwrap();
    assert_eq!((&me["display_name"], &me["tenants"][0]["slug"]), (&"carol".into(), &"acme".into()));

    let written = combined_output(&created) + &combined_output(&rejected) + &server.interrupt();
    for secret in [PASSWORD, "other words", "$argon2id$v"] {
        let line = written.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} was logged");
    }
}

fn settings(url: &str) -> [(&str, &str); 3] {
    [("DB_DRIVER", "postgres"), ("DATABASE_URL", url), ("LOG_LEVEL", "error")]
}

#[tokio::test]
async fn invalid_account_is_rejected_with_hint() {
    let (db, work_dir) = (TestDb::migrated().await, work_dir());
    let url = db.url();
    let create = |arguments: &[&str], input: &str| run_with_stdin(work_dir.path(), &settings(&url), arguments, input);
    let created = create(&[&CREATE_CAROL[..], &["--name", "Carol Clark"]].concat(), PASSWORD);
    assert!(created.status.success(), "{}", stderr(&created));
    let before = accounts(&db).await;
    assert_eq!(before, "carol@example.com Carol Clark");

    let long = "a".repeat(1025);
    let dave = ["users", "create", "--email", "dave@example.com"];
    for (arguments, input, words) in [
        (&CREATE_CAROL[..], "carol's new words", "somebody has this e-mail address already"),
        (&dave, "", "no password came in: run this in a terminal, or pipe a line into it"),
        (&dave, "\n", "no password came in"),
        (&dave, "eleven char\n", "a new password has at least 12 characters, at most 1024 bytes"),
        (&dave, &long, "at most 1024 bytes"),
        (&dave, "twelve\u{1b}[A chars", "no control characters"),
    ] {
        let rejected = create(arguments, input);
        let message = stderr(&rejected);
        assert!(!rejected.status.success() && message.contains(words), "{arguments:?}: {message}");
        assert!(message.lines().count() == 1 && rejected.stdout.is_empty(), "{arguments:?}: {message}");
        assert!(input.trim().is_empty() || !message.contains(input.trim()), "{message}");
    }
    for (arguments, words) in [
        (&["users", "create", "--email", "dave"][..], "--email"),
        (&["users", "create"], "--email"),
        (&[&dave[..], &["--name", ""]].concat(), "--name"),
        // Others could read it there.
        (&[&dave[..], &["--password", PASSWORD]].concat(), "unexpected argument '--password'"),
        (&[&dave[..], &[PASSWORD]].concat(), "unexpected argument"),
    ] {
        let rejected = create(arguments, PASSWORD);
        assert!(!rejected.status.success() && stderr(&rejected).contains(words), "{arguments:?}: {}", stderr(&rejected));
    }
    assert_eq!(accounts(&db).await, before);
}

/// Who there is that has a password.
async fn accounts(db: &TestDb) -> String {
    let accounts = "SELECT coalesce(string_agg(email || ' ' || display_name, ', '), '')
        FROM users LEFT JOIN auth_credentials ON user_id = id";
    sqlx::query_scalar(accounts).fetch_one(&mut db.superuser().await).await.unwrap()
}

/// The program in a terminal, with somebody before it.
struct Terminal {
    child: Child,
    keyboard: File,
    program_end: OwnedFd,
    shown: Arc<Mutex<String>>,
}

impl Terminal {
    fn create(work_dir: &Path, settings: &[(&str, &str)]) -> Self {
        let pty = openpty(None, None).unwrap();
        let mut command = tenantry_command(work_dir, settings, &CREATE_CAROL);
        command.stdin(pty.slave.try_clone().unwrap()).stderr(pty.slave.try_clone().unwrap());
        let child = command.stdout(Stdio::piped()).spawn().unwrap();
        let keyboard = File::from(pty.master);
        let (mut screen, shown) = (keyboard.try_clone().unwrap(), Arc::new(Mutex::new(String::new())));
        let seen = Arc::clone(&shown);
        // Ends with the terminal.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut buffer) {
                seen.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        Self { child, keyboard, program_end: pty.slave, shown }
    }

    fn shows(&self, words: &str) -> bool {
        self.shown.lock().unwrap().contains(words)
    }

    /// Types it, once it is asked for and isn't shown any more.
    fn type_answer(&mut self, question: &str, password: &str) {
        let hides = || !tcgetattr(&self.program_end).unwrap().local_flags.contains(LocalFlags::ECHO);
        wait_until(question, || self.shows(question) && hides());
        writeln!(self.keyboard, "{password}").unwrap();
    }

    /// Whether all was well, what it said, and what the terminal showed, once that has these words.
    fn finish(self, words: &str) -> (bool, String, String) {
        wait_until(words, || self.shows(words));
        assert!(tcgetattr(&self.program_end).unwrap().local_flags.contains(LocalFlags::ECHO), "it stays hidden");
        let output = self.child.wait_with_output().unwrap();
        let shown = self.shown.lock().unwrap().clone();
        (output.status.success(), String::from_utf8(output.stdout).unwrap(), shown)
    }
}

#[tokio::test]
async fn terminal_prompts_twice_without_echo() {
    let (db, work_dir) = (TestDb::migrated().await, work_dir());
    let url = db.url();
    let questions = ["Password for carol@example.com", "The same once more"];
    for (typed_lines, expect_success, last_words) in [
        (&["eleven char"][..], false, "a new password has at least 12 characters"),
        (&[PASSWORD, "carol's own word"], false, "two different passwords; nothing was changed"),
        (&[PASSWORD, PASSWORD], true, "once more: \r\n"),
    ] {
        let mut terminal = Terminal::create(work_dir.path(), &settings(&url));
        for (question, typed) in questions.iter().zip(typed_lines) {
            terminal.type_answer(question, typed);
        }
        let (success, stdout, shown) = terminal.finish(last_words);
        assert_eq!((success, stdout.starts_with("created carol@example.com (")), (expect_success, expect_success), "{stdout} {shown}");
        assert!(typed_lines.iter().all(|typed| !shown.contains(typed)), "{shown}");
    }
    assert_eq!(accounts(&db).await, "carol@example.com carol");
}

#[test]
fn non_interactive_password_hint() {
    let (pty, work_dir) = (openpty(None, None).unwrap(), work_dir());
    let rejected = tenantry_command(work_dir.path(), &[], &CREATE_CAROL).stdin(pty.slave).stderr(Stdio::piped()).output().unwrap();
    assert!(!rejected.status.success() && stderr(&rejected).contains("pipe it in"), "{}", stderr(&rejected));
    assert_eq!(fs::read_dir(work_dir.path()).unwrap().count(), 0);
}
