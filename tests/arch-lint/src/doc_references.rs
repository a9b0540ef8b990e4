//! Every link, path, and name followed by its file in the documents must refer to something that exists.

use std::collections::BTreeSet;

use crate::{
    sources::{Source, fake_source, files_in, list_dir, read, root},
    violation::{Violation, assert_no_violations, assert_one_violation},
};

/// A code span that begins like this is a path from the root of the workspace.
const FOLDERS: [&str; 9] =
    ["src/", "modules/", "tests/", "tools/", "docs/", "migrations/", "seeds/", ".ci/", "scripts/"];

/// Parts of a path that stand for other names, as in `modules/<name>/src` or `0001_….up.sql`.
const PLACEHOLDERS: [char; 6] = ['*', '<', '{', '…', ' ', '@'];

/// The workspace, as far as documents refer to it.
trait Workspace {
    fn exists(&self, path: &str) -> bool;
    fn text(&self, path: &str) -> String;
}

struct Disk;

impl Workspace for Disk {
    fn exists(&self, path: &str) -> bool {
        root().join(path).exists()
    }

    fn text(&self, path: &str) -> String {
        read(path).text
    }
}

fn violations(document: &Source, workspace: &impl Workspace) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut in_code = false;
    let lines: Vec<&str> = document.text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            // A reference may continue on the next line.
            let next = lines.get(index + 1).copied().unwrap_or_default();
            let mut report =
                |problem: String, help| found.push(Violation::new(&document.path, index + 1, problem, help));
            for target in links(line) {
                if let Some(problem) = broken_link(&document.path, target, workspace) {
                    report(problem, "correct the link");
                }
            }
            for path in code_spans(line).filter(|span| is_path(span)) {
                let folder = document.path.rsplit_once('/').map_or("", |(folder, _)| folder);
                if !workspace.exists(path) && !workspace.exists(&format!("{folder}/{path}")) {
                    report(format!("`{path}` doesn't exist"), "write the current path");
                }
            }
            for (name, path) in names_with_path(line, next) {
                if workspace.exists(path) && !workspace.text(path).contains(name) {
                    report(format!("{path} has no `{name}`"), "write the current name and file");
                }
            }
        }
    }
    found
}

/// The targets of inline links, `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|target| !target.contains("://"))
}

fn broken_link(document: &str, target: &str, workspace: &impl Workspace) -> Option<String> {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let mut resolved: Vec<&str> = document.split('/').collect();
    if path.is_empty() {
        // An anchor in the same document.
    } else {
        resolved.pop();
        for part in path.split('/').filter(|part| !["", "."].contains(part)) {
            match part {
                ".." => drop(resolved.pop()),
                part => resolved.push(part),
            }
        }
    }
    let resolved = resolved.join("/");
    if !workspace.exists(&resolved) {
        return Some(format!("the link leads to {resolved}, which doesn't exist"));
    }
    let has_heading = |text: &str| text.lines().any(|line| line.starts_with('#') && slug(line) == anchor);
    (!anchor.is_empty() && resolved.ends_with(".md") && !has_heading(&workspace.text(&resolved)))
        .then(|| format!("{resolved} has no heading #{anchor}"))
}

/// The anchor of a heading, as GitHub derives it.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-")
}

fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn is_path(span: &str) -> bool {
    FOLDERS.iter().any(|folder| span.starts_with(folder)) && !span.contains(PLACEHOLDERS)
}

/// The names that are followed by their file, mostly tests: `name` (`path`), or `name`, `path`.
fn names_with_path<'a>(line: &'a str, next: &'a str) -> Vec<(&'a str, &'a str)> {
    let parts: Vec<&str> = line.split('`').collect();
    let mut next_parts = next.trim_start().split('`');
    let (next_gap, next_span) = (next_parts.next().unwrap_or_default(), next_parts.next().unwrap_or_default());
    let is_name = |span: &str| {
        span.contains('_') && span.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
    };
    let mut pairs = Vec::new();
    for at in (1..parts.len()).step_by(2).filter(|at| is_name(parts[*at])) {
        let (gap, span) = match (parts.get(at + 1), parts.get(at + 2)) {
            (Some(gap), Some(span)) => (gap.trim(), *span),
            // The line ends after the name.
            (Some(gap), None) => (if gap.trim().is_empty() { next_gap.trim() } else { gap.trim() }, next_span),
            _ => continue,
        };
        if ["(", ","].contains(&gap) && is_path(span) && span.ends_with(".rs") {
            pairs.push((parts[at], span));
        }
    }
    pairs
}

#[test]
fn documents_refer_to_what_exists() {
    let modules = list_dir("modules").into_iter().map(|module| format!("modules/{module}/README.md"));
    let documents: BTreeSet<String> = ["README.md".to_owned(), "ARCHITECTURE.md".into()]
        .into_iter()
        .chain(modules.filter(|path| root().join(path).exists()))
        .chain(files_in("docs").into_iter().filter(|path| path.ends_with(".md")))
        .collect();
    assert!(documents.len() > 15, "only {} documents were found", documents.len());
    let found: Vec<_> = documents.iter().flat_map(|path| violations(&read(path), &Disk)).collect();
    assert_no_violations(&found);
}

#[test]
fn reference_to_missing_item_is_rejected() {
    struct Sample;

    impl Workspace for Sample {
        fn exists(&self, path: &str) -> bool {
            ["docs/a.md", "tests/a.rs", "README.md"].contains(&path)
        }

        fn text(&self, path: &str) -> String {
            if path == "tests/a.rs" { "fn is_a_test() {}".into() } else { "# One `two`\n".into() }
        }
    }

    let check = |text: &str| violations(&fake_source("docs/a.md", text), &Sample);
    for text in [
        "[a](../README.md), [b](#one-two), [c](https://example.com/x)",
        "`tests/a.rs`, `tests/*/b.rs`, `is_a_test` (`tests/a.rs`), `other_name`",
        "```sh\ncat `src/gone.rs`\n```",
    ] {
        assert_no_violations(&check(text));
    }
    for (text, expected) in [
        ("[a](b.md)", "docs/a.md:1: the link leads to docs/b.md, which doesn't exist; correct"),
        ("\n[a](../README.md#three)", "docs/a.md:2: README.md has no heading #three; correct"),
        ("see `src/gone.rs`", "docs/a.md:1: `src/gone.rs` doesn't exist; write"),
        ("`no_such_test` (`tests/a.rs`)", "docs/a.md:1: tests/a.rs has no `no_such_test`; write"),
        ("`no_such_test`,\n`tests/a.rs`", "docs/a.md:1: tests/a.rs has no `no_such_test`; write"),
    ] {
        assert_one_violation(&check(text), expected);
    }
}
