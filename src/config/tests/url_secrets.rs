//! No part of a password in a URL appears in an error, in `Debug` output or in the log, however the URL is split.

use std::{
    io,
    sync::{Arc, Mutex},
};

use proptest::prelude::*;

use super::*;
use crate::logs;

/// A part of each password. A text that contains it leaks.
const MARKER: &str = "hunter2";

/// Characters with a meaning in URLs, and a few others.
const AROUND_MARKER: &str = r"[a-z0-9@/?#:&=+%,;. \\\[\]~!$é]{0,8}";

/// URLs with a place for a password, and the key that they are meant for.
const TEMPLATES: [(&str, &str); 14] = [
    ("DATABASE_URL", "postgres://u:{}@h:5432/d"),
    ("DATABASE_URL", "postgres://u:{}@h/d?sslmode=disable"),
    ("DATABASE_URL", "postgres://u:{}@h/d?connect_timeout=5"),
    ("DATABASE_URL", "postgres://u:{}@[::1]:5432/d"),
    ("DATABASE_URL", "postgres://u:{}@/d?host=/run/postgresql"),
    ("DATABASE_URL", "postgres://u@h/d?sslmode=disable&password={}"),
    ("DATABASE_URL", "mysql://u:{}@h/d"),
    ("DATABASE_URL", "{}"),
    ("MIGRATION_DATABASE_URL", "postgresql://u:{}@h/d"),
    ("PUBLIC_URL", "https://u:{}@h"),
    ("PUBLIC_URL", "{}"),
    ("POSTGRES_DOWNLOAD_URL", "https://u:{}@h/releases"),
    ("POSTGRES_DOWNLOAD_URL", "https://h/releases?token={}"),
    ("HTTPS_PROXY", "http://u:{}@proxy:3128"),
];

/// Collects the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().map_err(|_| io::ErrorKind::Other)?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Loads a configuration with this value. Returns everything that could be shown, and whether the value is valid.
fn shown_text(key: &str, value: &str) -> (String, bool) {
    let log = Log::default();
    let writer = log.clone();
    // The second directive undoes a default of `logs`, which hides what sqlx logs about URLs.
    let subscriber = logs::subscriber("trace,sqlx_postgres::options=trace", true, move || writer.clone());
    let outcome = tracing::subscriber::with_default(subscriber.unwrap(), || {
        let url = ("DATABASE_URL", "postgres://u@h/d");
        let driver = if key == "HTTPS_PROXY" { &[][..] } else { &[POSTGRES, url] };
        let others: Vec<_> = driver.iter().copied().filter(|(name, _)| *name != key).collect();
        config_from("", "", &[&others[..], &[(key, value)]].concat())
    });
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    match outcome {
        Ok(config) => (format!("{log}{config:?}"), true),
        Err(errors) => (format!("{log}{errors}{errors:?}"), false),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn password_of_url_is_never_shown(template in 0..TEMPLATES.len(), before in AROUND_MARKER, after in AROUND_MARKER) {
        let (key, template) = TEMPLATES[template];
        let value = template.replace("{}", &format!("{before}{MARKER}{after}"));
        let (shown, _) = shown_text(key, &value);
        prop_assert!(!shown.contains(MARKER), "{key}={value}: {shown}");
    }

    /// An encoded password is never split.
    #[test]
    fn percent_encoded_password_is_valid(password in r"[ -~é]{1,20}") {
        let encoded: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for template in ["postgres://u:{}@h:5432/d", "postgres://u@h/d?password={}"] {
            let (shown, is_valid) = shown_text("DATABASE_URL", &template.replace("{}", &encoded));
            prop_assert!(is_valid, "{shown}");
        }
    }
}

#[test]
fn split_password_error_names_the_fix() {
    for password in ["a@b", "a/b", "1/b", "a?b", "1?b=c", "a#b", "100%"] {
        let (shown, is_valid) = shown_text("DATABASE_URL", &format!("postgres://u:{password}@h/d"));
        assert!(!is_valid && shown.contains("percent-encode the password"), "{password}: {shown}");
    }
}
