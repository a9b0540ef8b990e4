//! What a rule has to say.

use std::fmt;

/// A line that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    file: String,
    /// From 1; 0 where the file as a whole is meant.
    line: usize,
    broke: String,
    instead: &'static str,
}

impl Finding {
    pub(crate) fn new(file: &str, line: usize, broke: impl Into<String>, instead: &'static str) -> Self {
        Self { file: file.to_owned(), line, broke: broke.into(), instead }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; {}", self.file, self.line, self.broke, self.instead)
    }
}

/// Fails with all that was found.
#[track_caller]
pub(crate) fn assert_none(findings: &[Finding]) {
    assert!(findings.is_empty(), "\n{}\n", lines(findings).join("\n"));
}

/// Fails unless exactly one thing was found, and it begins like this.
#[track_caller]
pub(crate) fn assert_one(findings: &[Finding], beginning: &str) {
    let lines = lines(findings);
    assert!(lines.len() == 1 && lines[0].starts_with(beginning), "{lines:#?} instead of {beginning:?}");
}

fn lines(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_finding_says_where_what_and_what_to_do_in_one_line() {
    let finding = Finding::new("modules/user/src/lib.rs", 3, "it prints", "use `tracing`");
    assert_eq!(finding.to_string(), "modules/user/src/lib.rs:3: it prints; use `tracing`");
}
