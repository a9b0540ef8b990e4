//! `tenantry users create`, and a production setup up to the first sign-in.

use std::{
    fs::{self, File},
    io::Write,
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Output, Stdio},
    sync::{Arc, Mutex},
};

use nix::{
    pty::openpty,
    sys::termios::{LocalFlags, tcgetattr},
};
use test_support::{Logins, OwnedDb, TestDb};

use crate::process::{
    RunningServer, SIGNING_KEY, assert_failure, assert_one_line_failure, assert_success, read_on_thread, run,
    run_with_stdin, stderr, stdout, tenantry_command, wait_until, work_dir,
};

const PASSWORD: &str = "carol's own words";
const CREATE_CAROL: [&str; 4] = ["users", "create", "--email", "Carol@Example.com"];

fn combined_output(output: &Output) -> String {
    stdout(output) + &stderr(output)
}

/// Follows docs/operations/deploy.md from the migration on.
#[tokio::test]
async fn production_bootstrap_to_first_sign_in() {
    let (empty, work_dir) = (OwnedDb::new(Logins::Separate).await, work_dir());
    let [application, owner] = empty.urls();
    let settings = [
        ("APP_ENV", "production"),
        ("DATABASE_URL", application.as_str()),
        ("DB_ROLE_PREFIX", "tenantry"),
        ("LOG_LEVEL", "trace"),
        ("LOG_FORMAT", "json"),
    ];
    let rejected = run_with_stdin(work_dir.path(), &settings, &CREATE_CAROL, PASSWORD);
    assert_failure(&rejected, "tenantry migrate run");
    let with_owner = [&settings[..], &[("MIGRATION_DATABASE_URL", owner.as_str())]].concat();
    // Its log doesn't fit into a pipe's buffer.
    assert_success(&tenantry_command(work_dir.path(), &with_owner, &["migrate", "run"]).output().unwrap());

    // With the byte order mark that some editors write.
    let created = run_with_stdin(work_dir.path(), &settings, &CREATE_CAROL, &format!("\u{feff}{PASSWORD}\n"));
    let message = assert_success(&created);
    assert!(message.starts_with("created carol@example.com (") && message.lines().count() == 1, "{message}");
    let arguments = ["tenants", "create", "--slug", "acme", "--name", "Acme Corp", "--admin", "carol@example.com"];
    assert_success(&run(work_dir.path(), &settings, &arguments));
    // These commands don't need the server's signing key, so they don't generate one.
    assert_eq!(fs::read_dir(work_dir.path()).unwrap().count(), 0);

    let server = RunningServer::start(work_dir.path(), &[&settings[..], &[("AUTH_SIGNING_KEY", SIGNING_KEY)]].concat());
    assert_eq!(server.client().login("carol@example.com", "carol's other words").status, 401);
    assert!(!server.output().contains("/docs/"), "{}", server.output());
    for (path, status) in [("/docs", 404), ("/docs/", 404), ("/docs/swagger-ui.css", 404), ("/openapi.json", 200)] {
        assert_eq!(server.client().get(path).status, status, "{path}");
    }
    let carol = server.client().sign_in("carol@example.com", PASSWORD);
    let me = carol.get("/v1/me").json();
    assert_eq!((&me["display_name"], &me["tenants"][0]["slug"]), (&"carol".into(), &"acme".into()));

    let recorded = carol.in_tenant("acme").get("/v1/audit-events").json();
    let recorded: Vec<_> = recorded["audit_events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| {
            (record["type"].as_str().unwrap().to_owned(), record["caller"]["command"].as_str().unwrap().to_owned())
        })
        .collect();
    let by_operator = |event: &str| (event.to_owned(), "tenants create".to_owned());
    assert_eq!(recorded, [by_operator("member.added"), by_operator("tenant.created")]);
    let account: (String, String, String) = sqlx::query_as(
        "SELECT record::jsonb ->> 'type', record::jsonb #>> '{caller,command}', record::jsonb #>> '{fields,email}'
         FROM deployment_audit_events",
    )
    .fetch_one(&mut empty.superuser().await)
    .await
    .unwrap();
    assert_eq!(account, ("user.created".into(), "users create".into(), "carol@example.com".into()));

    let output = combined_output(&created) + &combined_output(&rejected) + &server.interrupt();
    for secret in [PASSWORD, "other words", "$argon2id$v"] {
        let line = output.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} was logged");
    }
}

fn settings(url: &str) -> [(&str, &str); 4] {
    [("DB_DRIVER", "postgres"), ("DATABASE_URL", url), ("DB_ROLE_PREFIX", "tenantry"), ("LOG_LEVEL", "error")]
}

#[tokio::test]
async fn invalid_account_is_rejected_with_hint() {
    let (db, work_dir) = (TestDb::migrated().await, work_dir());
    let url = db.url();
    let create = |arguments: &[&str], input: &str| run_with_stdin(work_dir.path(), &settings(&url), arguments, input);
    assert_success(&create(&[&CREATE_CAROL[..], &["--name", "Carol Clark"]].concat(), PASSWORD));
    let before = accounts(&db).await;
    assert_eq!(before, "carol@example.com Carol Clark");

    let long = "a".repeat(1025);
    let dave = ["users", "create", "--email", "dave@example.com"];
    for (arguments, input, expected) in [
        (&CREATE_CAROL[..], "carol's new words", "this e-mail address is already in use"),
        (&dave, "", "no password on standard input; run this command in a terminal or pipe the password into it"),
        (&dave, "\n", "no password on standard input"),
        (&dave, "eleven char\n", "a new password has at least 12 characters, at most 1024 bytes"),
        (&dave, &long, "at most 1024 bytes"),
        (&dave, "twelve\u{1b}[A chars", "no control, formatting, invisible or unassigned characters"),
        (&dave, "twelve \u{200b}chars", "no control, formatting, invisible or unassigned characters"),
    ] {
        let rejected = create(arguments, input);
        let message = assert_one_line_failure(&rejected, expected);
        assert!(rejected.stdout.is_empty(), "{arguments:?}: {message}");
        assert!(input.trim().is_empty() || !message.contains(input.trim()), "{message}");
    }
    for (arguments, expected) in [
        (&["users", "create", "--email", "dave"][..], "--email"),
        (&["users", "create"], "--email"),
        (&[&dave[..], &["--name", ""]].concat(), "--name"),
        (&[&dave[..], &["--name", "\u{202e}evaD"]].concat(), "contains U+202E; remove control, formatting"),
        (&["users", "create", "--email", "da\u{200b}ve@example.com"], "contains U+200B; remove control, formatting"),
        (&["users", "create", "--email", "Dave <dave@example.com>"], "must be an e-mail address such as"),
        // Other users could read a password in the process list.
        (&[&dave[..], &["--password", PASSWORD]].concat(), "unexpected argument '--password'"),
        (&[&dave[..], &[PASSWORD]].concat(), "unexpected argument"),
    ] {
        let message = assert_failure(&create(arguments, PASSWORD), expected);
        assert!(!message.contains(['\u{202e}', '\u{200b}']), "{message:?}");
    }
    assert_eq!(accounts(&db).await, before);
}

/// Lists the accounts: e-mail address and display name.
async fn accounts(db: &TestDb) -> String {
    let query = "SELECT coalesce(string_agg(email || ' ' || display_name, ', '), '')
        FROM users LEFT JOIN auth_credentials ON user_id = id";
    sqlx::query_scalar(query).fetch_one(&mut db.superuser().await).await.unwrap()
}

/// `users create` in a pseudo-terminal that the test types into.
struct Terminal {
    child: Child,
    keyboard: File,
    slave: OwnedFd,
    screen: Arc<Mutex<String>>,
}

impl Terminal {
    fn create(work_dir: &Path, settings: &[(&str, &str)]) -> Self {
        let pty = openpty(None, None).unwrap();
        let mut command = tenantry_command(work_dir, settings, &CREATE_CAROL);
        command.stdin(pty.slave.try_clone().unwrap()).stderr(pty.slave.try_clone().unwrap());
        let child = command.stdout(Stdio::piped()).spawn().unwrap();
        let keyboard = File::from(pty.master);
        let screen = Arc::new(Mutex::new(String::new()));
        // The thread ends when the terminal is closed.
        read_on_thread(keyboard.try_clone().unwrap(), &screen);
        Self { child, keyboard, slave: pty.slave, screen }
    }

    fn shows(&self, text: &str) -> bool {
        self.screen.lock().unwrap().contains(text)
    }

    /// Types the password after the prompt, once echo is off.
    fn type_password(&mut self, prompt: &str, password: &str) {
        let echo_is_off = || !tcgetattr(&self.slave).unwrap().local_flags.contains(LocalFlags::ECHO);
        wait_until(prompt, || self.shows(prompt) && echo_is_off());
        writeln!(self.keyboard, "{password}").unwrap();
    }

    /// Waits until the terminal shows `text` and the program exits. Returns whether it succeeded, its standard output
    /// and the screen.
    fn finish(self, text: &str) -> (bool, String, String) {
        wait_until(text, || self.shows(text));
        assert!(tcgetattr(&self.slave).unwrap().local_flags.contains(LocalFlags::ECHO), "echo is still off");
        let output = self.child.wait_with_output().unwrap();
        let screen = self.screen.lock().unwrap().clone();
        (output.status.success(), stdout(&output), screen)
    }
}

#[tokio::test]
async fn terminal_prompts_twice_without_echo() {
    let (db, work_dir) = (TestDb::migrated().await, work_dir());
    let url = db.url();
    let prompts = ["Password for carol@example.com", "Repeat password"];
    for (passwords, expect_success, last_text) in [
        (&["eleven char"][..], false, "a new password has at least 12 characters"),
        (&[PASSWORD, "carol's own word"], false, "passwords do not match; nothing was changed"),
        (&[PASSWORD, PASSWORD], true, "Repeat password: \r\n"),
    ] {
        let mut terminal = Terminal::create(work_dir.path(), &settings(&url));
        for (prompt, password) in prompts.iter().zip(passwords) {
            terminal.type_password(prompt, password);
        }
        let (success, stdout, screen) = terminal.finish(last_text);
        assert_eq!(success, expect_success, "{stdout} {screen}");
        assert_eq!(stdout.starts_with("created carol@example.com ("), expect_success, "{stdout} {screen}");
        assert!(passwords.iter().all(|password| !screen.contains(password)), "{screen}");
    }
    assert_eq!(accounts(&db).await, "carol@example.com carol");
}

#[test]
fn non_interactive_password_error_names_fix() {
    let (pty, work_dir) = (openpty(None, None).unwrap(), work_dir());
    let rejected =
        tenantry_command(work_dir.path(), &[], &CREATE_CAROL).stdin(pty.slave).stderr(Stdio::piped()).output().unwrap();
    assert_failure(&rejected, "pipe the password into standard input");
    assert_eq!(fs::read_dir(work_dir.path()).unwrap().count(), 0);
}
