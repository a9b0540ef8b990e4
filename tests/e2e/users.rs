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

use crate::program::{KEY, Serving, folder, program, run, run_given, stderr, until};

const PASSWORD: &str = "carol's own words";
const CREATE: [&str; 4] = ["users", "create", "--email", "Carol@Example.com"];

fn all_of(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), stderr(output))
}

/// The status, and the token where there is one.
fn sign_in(serving: &Serving, email: &str, password: &str) -> (u16, Option<String>) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let body = format!(r#"{{"email": "{email}", "password": "{password}"}}"#);
    let answer = agent.post(format!("{}/v1/auth/login", serving.url)).content_type("application/json").send(body);
    let mut answer = answer.unwrap();
    let json: Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
    (answer.status().as_u16(), json["access_token"].as_str().map(str::to_owned))
}

/// The README's list, "On a server", from its fifth step on.
#[tokio::test]
async fn from_an_empty_database_in_production_to_somebody_who_signs_in() {
    let (empty, folder) = (OwnedDb::new(Logins::Two).await, folder());
    let [application, owner] = empty.urls();
    let settings = [
        ("APP_ENV", "production"),
        ("DATABASE_URL", application.as_str()),
        ("LOG_LEVEL", "trace"),
        ("LOG_FORMAT", "json"),
    ];
    let refused = run_given(folder.path(), &settings, &CREATE, PASSWORD);
    assert!(!refused.status.success() && stderr(&refused).contains("tenantry migrate run"), "{}", stderr(&refused));
    let with_owner = [&settings[..], &[("MIGRATION_DATABASE_URL", owner.as_str())]].concat();
    let migrated = program(folder.path(), &with_owner, &["migrate", "run"]).output();
    assert!(migrated.unwrap().status.success());

    let created = run_given(folder.path(), &settings, &CREATE, &format!("{PASSWORD}\n"));
    assert!(created.status.success(), "{}", stderr(&created));
    let words = String::from_utf8_lossy(&created.stdout);
    assert!(words.starts_with("created carol@example.com (") && words.lines().count() == 1, "{words}");
    let arguments = ["tenants", "found", "--slug", "acme", "--name", "Acme Corp", "--admin", "carol@example.com"];
    let founded = run(folder.path(), &settings, &arguments);
    assert!(founded.status.success(), "{}", stderr(&founded));
    // It has no use for the server's key, and makes none.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

    let serving = Serving::start(folder.path(), &[&settings[..], &[("AUTH_SIGNING_KEY", KEY)]].concat());
    assert_eq!(sign_in(&serving, "carol@example.com", "carol's other words"), (401, None));
    let (status, token) = sign_in(&serving, "carol@example.com", PASSWORD);
    assert_eq!(status, 200);
    let request = ureq::get(format!("{}/v1/me", serving.url));
    let me = request.header("Authorization", format!("Bearer {}", token.unwrap())).call();
    let me: Value = serde_json::from_str(&me.unwrap().body_mut().read_to_string().unwrap()).unwrap();
    assert_eq!((&me["display_name"], &me["tenants"][0]["slug"]), (&"carol".into(), &"acme".into()));

    let written = all_of(&created) + &all_of(&refused) + &serving.interrupt();
    for secret in [PASSWORD, "other words", "$argon2id$v"] {
        let line = written.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} was logged");
    }
}

fn settings(url: &str) -> [(&str, &str); 3] {
    [("DB_DRIVER", "postgres"), ("DATABASE_URL", url), ("LOG_LEVEL", "error")]
}

#[tokio::test]
async fn what_cannot_be_an_account_is_refused_with_what_to_do_and_changes_nothing() {
    let (db, folder) = (TestDb::migrated().await, folder());
    let url = db.url();
    let create = |arguments: &[&str], input: &str| run_given(folder.path(), &settings(&url), arguments, input);
    let created = create(&[&CREATE[..], &["--name", "Carol Clark"]].concat(), PASSWORD);
    assert!(created.status.success(), "{}", stderr(&created));
    let before = people(&db).await;
    assert_eq!(before, "carol@example.com Carol Clark");

    let long = "a".repeat(1025);
    let dave = ["users", "create", "--email", "dave@example.com"];
    for (arguments, input, words) in [
        (&CREATE[..], "carol's new words", "somebody has this e-mail address already"),
        (&dave, "", "no password came in: run this in a terminal, or pipe a line into it"),
        (&dave, "\n", "no password came in"),
        (&dave, "eleven char\n", "a new password has at least 12 characters, at most 1024 bytes"),
        (&dave, &long, "at most 1024 bytes"),
        (&dave, "twelve\u{1b}[A chars", "no control characters"),
    ] {
        let refused = create(arguments, input);
        let said = stderr(&refused);
        assert!(!refused.status.success() && said.contains(words), "{arguments:?}: {said}");
        assert!(said.lines().count() == 1 && refused.stdout.is_empty(), "{arguments:?}: {said}");
        assert!(input.trim().is_empty() || !said.contains(input.trim()), "{said}");
    }
    for (arguments, words) in [
        (&["users", "create", "--email", "dave"][..], "--email"),
        (&["users", "create"], "--email"),
        (&[&dave[..], &["--name", ""]].concat(), "--name"),
        // Others could read it there.
        (&[&dave[..], &["--password", PASSWORD]].concat(), "unexpected argument '--password'"),
        (&[&dave[..], &[PASSWORD]].concat(), "unexpected argument"),
    ] {
        let refused = create(arguments, PASSWORD);
        assert!(!refused.status.success() && stderr(&refused).contains(words), "{arguments:?}: {}", stderr(&refused));
    }
    assert_eq!(people(&db).await, before);
}

/// Who there is that has a password.
async fn people(db: &TestDb) -> String {
    let people = "SELECT coalesce(string_agg(email || ' ' || display_name, ', '), '')
        FROM users LEFT JOIN auth_credentials ON user_id = id";
    sqlx::query_scalar(people).fetch_one(&mut db.owner().await).await.unwrap()
}

/// The program in a terminal, with somebody before it.
struct Terminal {
    child: Child,
    keyboard: File,
    program_end: OwnedFd,
    shown: Arc<Mutex<String>>,
}

impl Terminal {
    fn create(folder: &Path, settings: &[(&str, &str)]) -> Self {
        let pty = openpty(None, None).unwrap();
        let mut command = program(folder, settings, &CREATE);
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
    fn answer(&mut self, question: &str, password: &str) {
        let hides = || !tcgetattr(&self.program_end).unwrap().local_flags.contains(LocalFlags::ECHO);
        until(question, || self.shows(question) && hides());
        writeln!(self.keyboard, "{password}").unwrap();
    }

    /// Whether all was well, what it said, and what the terminal showed, once that has these words.
    fn ended(self, words: &str) -> (bool, String, String) {
        until(words, || self.shows(words));
        assert!(tcgetattr(&self.program_end).unwrap().local_flags.contains(LocalFlags::ECHO), "it stays hidden");
        let output = self.child.wait_with_output().unwrap();
        let shown = self.shown.lock().unwrap().clone();
        (output.status.success(), String::from_utf8(output.stdout).unwrap(), shown)
    }
}

#[tokio::test]
async fn in_a_terminal_a_password_is_asked_for_twice_and_never_shown() {
    let (db, folder) = (TestDb::migrated().await, folder());
    let url = db.url();
    let questions = ["Password for carol@example.com", "The same once more"];
    for (answers, well, last_words) in [
        (&["eleven char"][..], false, "a new password has at least 12 characters"),
        (&[PASSWORD, "carol's own word"], false, "two different passwords; nothing was changed"),
        (&[PASSWORD, PASSWORD], true, "once more: \r\n"),
    ] {
        let mut terminal = Terminal::create(folder.path(), &settings(&url));
        for (question, answer) in questions.iter().zip(answers) {
            terminal.answer(question, answer);
        }
        let (ended_well, said, shown) = terminal.ended(last_words);
        assert_eq!((ended_well, said.starts_with("created carol@example.com (")), (well, well), "{said} {shown}");
        assert!(answers.iter().all(|answer| !shown.contains(answer)), "{shown}");
    }
    assert_eq!(people(&db).await, "carol@example.com carol");
}

#[test]
fn a_terminal_that_cannot_ask_is_told_where_the_password_can_come_from() {
    let (pty, folder) = (openpty(None, None).unwrap(), folder());
    let refused = program(folder.path(), &[], &CREATE).stdin(pty.slave).stderr(Stdio::piped()).output().unwrap();
    assert!(!refused.status.success() && stderr(&refused).contains("pipe it in"), "{}", stderr(&refused));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
