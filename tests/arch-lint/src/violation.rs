//! The result of a rule.

use std::fmt;

use crate::sources::{Source, fake_source};

/// The problem, and what to do instead.
pub(crate) type Message = (String, &'static str);

/// A line that violates a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    file: String,
    /// 1-based; 0 for the whole file.
    line: usize,
    problem: String,
    /// What to do instead.
    help: &'static str,
}

impl Violation {
    pub(crate) fn new(file: &str, line: usize, problem: impl Into<String>, help: &'static str) -> Self {
        Self { file: file.to_owned(), line, problem: problem.into(), help }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; {}", self.file, self.line, self.problem, self.help)
    }
}

/// Fails with a list of all violations.
#[track_caller]
pub(crate) fn assert_no_violations(violations: &[Violation]) {
    assert!(violations.is_empty(), "\n{}\n", lines(violations).join("\n"));
}

/// Checks that no file violates a rule.
#[track_caller]
pub(crate) fn assert_all_pass(rule: impl Fn(&Source) -> Vec<Violation>, sources: &[Source]) {
    assert_no_violations(&sources.iter().flat_map(rule).collect::<Vec<_>>());
}

/// Checks a rule with sample texts of a file. Each rejected text has one violation: its line and the problem.
#[track_caller]
pub(crate) fn assert_rule(
    rule: impl Fn(&Source) -> Vec<Violation>,
    path: &str,
    accepted: &[&str],
    rejected: &[(&str, &str)],
) {
    for text in accepted {
        let lines = lines(&rule(&fake_source(path, text)));
        assert!(lines.is_empty(), "{text}\n{lines:#?}");
    }
    for (text, expected) in rejected {
        let lines = lines(&rule(&fake_source(path, text)));
        let beginning = format!("{path}:{expected}");
        assert!(lines.len() == 1 && lines[0].starts_with(&beginning), "{text}\n{lines:#?} instead of {beginning:?}");
    }
}

/// Fails unless there is exactly one violation, and its message starts with `beginning`.
#[track_caller]
pub(crate) fn assert_one_violation(violations: &[Violation], beginning: &str) {
    let lines = lines(violations);
    assert!(lines.len() == 1 && lines[0].starts_with(beginning), "{lines:#?} instead of {beginning:?}");
}

fn lines(violations: &[Violation]) -> Vec<String> {
    violations.iter().map(ToString::to_string).collect()
}

#[test]
fn violation_is_one_line_with_location() {
    let violation = Violation::new("modules/user/src/lib.rs", 3, "it prints", "use `tracing`");
    assert_eq!(violation.to_string(), "modules/user/src/lib.rs:3: it prints; use `tracing`");
}
