//! Every link, path, and name followed by its file in the documents must refer to something that exists. A name isn't
//! followed by "same file", since that changes its meaning when a line is inserted or moved.

use std::collections::BTreeSet;

use crate::{
    sources::{Source, code_spans, files_in, list_dir, read, root},
    violation::{Violation, assert_all_pass, assert_rule},
};

/// A code span that begins like this is a path from the root of the workspace.
const FOLDERS: [&str; 9] =
    ["src/", "modules/", "tests/", "tools/", "docs/", "migrations/", "seeds/", ".ci/", "scripts/"];

/// Parts of a path that stand for other names, as in `modules/<name>/src` or `0001_….up.sql`.
const PLACEHOLDERS: [char; 6] = ['*', '<', '{', '…', ' ', '@'];

/// Returns the text of a file, or an empty text for a folder. `None`: it doesn't exist.
type ReadFile<'a> = &'a dyn Fn(&str) -> Option<String>;

fn violations(document: &Source, read_file: ReadFile<'_>) -> Vec<Violation> {
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
                if let Some(problem) = broken_link(&document.path, target, read_file) {
                    report(problem, "correct the link");
                }
            }
            for path in code_spans(line).filter(|span| is_path(span)) {
                let folder = document.path.rsplit_once('/').map_or("", |(folder, _)| folder);
                if read_file(path).or_else(|| read_file(&format!("{folder}/{path}"))).is_none() {
                    report(format!("`{path}` doesn't exist"), "write the current path");
                }
            }
            if line.contains("same file") || line.ends_with("same") && next.trim_start().starts_with("file") {
                report("\"same file\" depends on the lines before it".into(), "write the path of the file");
            }
            for (name, path) in names_with_path(line, next) {
                if read_file(path).is_some_and(|text| !text.contains(name)) {
                    report(format!("{path} has no `{name}`"), "write the current name and file");
                }
            }
        }
    }
    found
}

/// Returns the targets of inline links, `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|target| !target.contains("://"))
}

fn broken_link(document: &str, target: &str, read_file: ReadFile<'_>) -> Option<String> {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let mut resolved: Vec<&str> = document.split('/').collect();
    // An anchor alone is in the same document.
    if !path.is_empty() {
        resolved.pop();
    }
    for part in path.split('/').filter(|part| !["", "."].contains(part)) {
        match part {
            ".." => drop(resolved.pop()),
            part => resolved.push(part),
        }
    }
    let resolved = resolved.join("/");
    let Some(text) = read_file(&resolved) else {
        return Some(format!("the link leads to {resolved}, which doesn't exist"));
    };
    let has_heading = text.lines().any(|line| line.starts_with('#') && slug(line) == anchor);
    (!anchor.is_empty() && resolved.ends_with(".md") && !has_heading)
        .then(|| format!("{resolved} has no heading #{anchor}"))
}

/// Returns the anchor of a heading, as GitHub derives it.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-")
}

fn is_path(span: &str) -> bool {
    FOLDERS.iter().any(|folder| span.starts_with(folder)) && !span.contains(PLACEHOLDERS)
}

/// Returns the names that are followed by their file, mostly tests: `name` (`path`), or `name`, `path`.
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
    let read_file = |path: &str| {
        let file = root().join(path);
        file.exists().then(|| if file.is_dir() { String::new() } else { read(path).text })
    };
    let documents: Vec<Source> = documents.iter().map(|path| read(path)).collect();
    assert_all_pass(|document| violations(document, &read_file), &documents);
}

#[test]
fn reference_to_missing_item_is_rejected() {
    let read_file = |path: &str| match path {
        "tests/a.rs" => Some("fn is_a_test() {}".to_owned()),
        "docs/a.md" | "README.md" => Some("# One `two`\n".to_owned()),
        _ => None,
    };
    assert_rule(
        |document| violations(document, &read_file),
        "docs/a.md",
        &[
            "[a](../README.md), [b](#one-two), [c](https://example.com/x)",
            "`tests/a.rs`, `tests/*/b.rs`, `is_a_test` (`tests/a.rs`), `other_name`",
            "```sh\ncat `src/gone.rs`\n```",
        ],
        &[
            ("[a](b.md)", "1: the link leads to docs/b.md, which doesn't exist; correct"),
            ("\n[a](../README.md#three)", "2: README.md has no heading #three; correct"),
            ("see `src/gone.rs`", "1: `src/gone.rs` doesn't exist; write"),
            ("`no_such_test` (`tests/a.rs`)", "1: tests/a.rs has no `no_such_test`; write"),
            (
                "`is_a_test` (`tests/a.rs`)\n`is_a_test` (same file)",
                "2: \"same file\" depends on the lines before it; write",
            ),
            ("(`is_a_test`, same\nfile)", "1: \"same file\" depends on the lines before it; write"),
            ("`no_such_test`,\n`tests/a.rs`", "1: tests/a.rs has no `no_such_test`; write"),
        ],
    );
}
