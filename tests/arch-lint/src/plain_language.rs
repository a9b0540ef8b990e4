//! Plain language: a list of words that have a simpler or standard replacement, and a maximum sentence length.
//!
//! The word list applies to Markdown, to comments of Rust, SQL, scripts, configuration files and the justfile, and to
//! string literals of Rust code that isn't test code. The sentence length applies to Markdown and Rust doc comments.
//! Code blocks, inline code and link targets are skipped. A comment that follows code on the same line isn't read.
//!
//! To allow a word in a file, begin a comment line with `plain-language: allow "word" because` and the reason.

use std::collections::BTreeSet;

use crate::{
    sources::{Source, files_in, list_dir, program_sources, read},
    violation::{Violation, assert_no_violations, assert_rule},
};

mod text;

use text::{Paragraph, text_of};

/// Maximum number of words in a sentence. Aim for 25.
const MAX_WORDS: usize = 30;

/// Minimum length in bytes of the reason for an exception.
const MIN_REASON_LENGTH: usize = 12;

const FOLDERS: [&str; 10] =
    [".ci", ".github", "docs", "migrations", "modules", "scripts", "seeds", "src", "tests", "tools"];

const EXCEPTION_HELP: &str = "write: plain-language: allow \"word\" because …";

/// Files that may contain listed words, with the reason.
const WORD_EXCEPTIONS: [(&str, &str); 1] = [("docs/glossary.md", "it names the words to avoid")];

/// Established phrases that contain a listed word.
const ALLOWED_PHRASES: [&str; 1] = ["connection refused"];

/// Words and phrases in lower case, each with what to write instead.
const WORDS: &[(&str, &str)] = &[
    ("act on it", "name the action, such as \"fix the reported problem\""),
    ("act on them", "name the action, such as \"fix the reported problems\""),
    ("anew", "write \"again\""),
    ("anybody", "name the role: any user, caller, client"),
    ("anyone", "name the role: any user, caller, client"),
    ("are told", "write \"receives\" or \"is reported to\""),
    ("as it is", "write \"unchanged\""),
    ("as they are", "write \"unchanged\""),
    ("at the most", "write \"at most\""),
    ("beforehand", "write \"before\" or \"earlier\""),
    ("bites", "write \"takes effect\""),
    ("cannot be told", "write \"is indeterminate\""),
    ("come to", "write \"become\" or \"reach\""),
    ("comes to", "write \"becomes\" or \"reaches\""),
    ("everybody", "name the role: every user, caller, client"),
    ("everyone", "name the role: every user, caller, client"),
    ("for good", "write \"permanently\""),
    ("founded", "write \"created\""),
    ("founding", "write \"creating\""),
    ("founds", "write \"creates\""),
    ("gave up", "write \"released\" or \"stopped\""),
    ("given up", "write \"released\" or \"stopped\""),
    ("goes on", "write \"continues\""),
    ("hands out", "write \"provides\" or \"returns\""),
    ("heed", "write \"observe\" or \"handle\""),
    ("heeds", "write \"observes\" or \"handles\""),
    ("in circles", "write \"in a cycle\""),
    ("in vain", "write \"unused\" or \"without effect\""),
    ("is told", "write \"receives\" or \"is reported to\""),
    ("let go of", "write \"dropped\" or \"released\""),
    ("made-up", "write \"sample\" or \"fake\""),
    ("mend", "write \"fix\""),
    ("no one", "name the role: no user, caller, client"),
    ("nobody", "name the role: no user, caller, client"),
    ("of its own", "write \"its own\" or \"separate\""),
    ("of one's own", "write \"personal\" or \"own\""),
    ("of their own", "write \"their own\" or \"separate\""),
    ("one's", "name the role: the user's, the caller's"),
    ("oneself", "name the role: the user, the caller"),
    ("people", "write \"users\""),
    ("person", "write \"user\""),
    ("persons", "write \"users\""),
    ("refusal", "write \"rejection\" or \"error\""),
    ("refuse", "write \"reject\""),
    ("refused", "write \"rejected\""),
    ("refuses", "write \"rejects\""),
    ("so far", "write \"until now\" or give the time"),
    ("somebody", "name the role: a user, a caller, another process"),
    ("someone", "name the role: a user, a caller, another process"),
    ("take back", "write \"reclaim\" or \"undo\""),
    ("taken back", "write \"reclaimed\" or \"undone\""),
    ("takes back", "write \"reclaims\" or \"undoes\""),
    ("torture", "write \"crash test\""),
    ("unheld", "write \"missing\""),
    ("whoever", "name the role: the user who, the caller that"),
    ("whomever", "name the role: the user whom, the caller that"),
];

/// Returns the words that a file's comments allow: the line, and the word. `None`: the reason is missing.
fn allowed_words(source: &Source) -> Vec<(usize, Option<&str>)> {
    let lines = (1..).zip(source.text.lines());
    let markers = lines.filter_map(|(number, line)| {
        let text = line.trim_start_matches([' ', '/', '!', '#', '-', '<']).strip_prefix("plain-language: ")?;
        let allowed = text.strip_prefix("allow \"").and_then(|text| text.split_once("\" because "));
        Some((number, allowed.filter(|(_, reason)| reason.len() >= MIN_REASON_LENGTH).map(|(word, _)| word)))
    });
    markers.collect()
}

fn violations(source: &Source, is_program: bool) -> Vec<Violation> {
    let violation = |line, problem: String, help| Violation::new(&source.path, line, problem, help);
    let (mut found, mut used) = (Vec::new(), BTreeSet::new());
    let allowed = allowed_words(source);
    let is_exempt = WORD_EXCEPTIONS.iter().any(|(path, _)| *path == source.path);
    for paragraph in text_of(source, is_program) {
        for (line, word, help) in listed_words(&paragraph).into_iter().filter(|_| !is_exempt) {
            if allowed.iter().any(|(_, allowed)| *allowed == Some(word)) {
                used.insert(word);
            } else {
                found.push(violation(line, format!("\"{word}\" isn't plain technical English"), help));
            }
        }
        for (line, words) in long_sentences(&paragraph).into_iter().filter(|_| paragraph.has_sentence_limit) {
            let problem = format!("a sentence has {words} words; the maximum is {MAX_WORDS}");
            found.push(violation(line, problem, "split it; aim for 25 words or fewer"));
        }
    }
    for (line, word) in allowed {
        match word {
            None => found.push(violation(line, "an exception without a word or a reason".into(), EXCEPTION_HELP)),
            Some(word) if !used.contains(word) => {
                found.push(violation(line, format!("\"{word}\" is allowed and not used"), "delete the exception"));
            }
            Some(_) => {}
        }
    }
    found
}

/// Returns the listed words in a paragraph: the line, the word and its replacement.
fn listed_words(paragraph: &Paragraph) -> Vec<(usize, &'static str, &'static str)> {
    let mut text = paragraph.text.to_ascii_lowercase();
    for phrase in ALLOWED_PHRASES {
        text = text.replace(phrase, &"x".repeat(phrase.len()));
    }
    let is_boundary = |next: Option<char>| !next.is_some_and(|next| next.is_alphanumeric() || next == '_');
    let mut found = Vec::new();
    for (word, help) in WORDS {
        for (at, _) in text.match_indices(word) {
            let after = text[at + word.len()..].chars().next();
            if is_boundary(text[..at].chars().next_back()) && is_boundary(after) {
                found.push((paragraph.line_at(at), *word, *help));
            }
        }
    }
    found
}

/// Returns the sentences over [`MAX_WORDS`]: the line on which one begins, and its number of words.
fn long_sentences(paragraph: &Paragraph) -> Vec<(usize, usize)> {
    let (mut found, mut offset, mut begin, mut words) = (Vec::new(), 0, 0, 0);
    for word in paragraph.text.split(' ') {
        if word.contains(char::is_alphanumeric) {
            if words == 0 {
                begin = paragraph.line_at(offset);
            }
            words += 1;
        }
        offset += word.len() + 1;
        let ends = word.trim_end_matches([')', '"', '*', '_', '”']).ends_with(['.', '?', '!']);
        if offset >= paragraph.text.len() || (ends && !["e.g.", "i.e.", "vs."].contains(&word.trim_start_matches('(')))
        {
            if words > MAX_WORDS {
                found.push((begin, words));
            }
            words = 0;
        }
    }
    found
}

#[test]
fn workspace_text_is_plain() {
    let root_files = list_dir(".").into_iter().filter(|name| name == "justfile" || name.contains('.'));
    let paths = root_files.chain(FOLDERS.iter().flat_map(|folder| files_in(folder)));
    let is_text = |path: &String| {
        let is_script = path.starts_with("scripts/") || path.starts_with(".ci/") || path == "justfile";
        is_script || [".md", ".rs", ".sql", ".toml", ".yml", ".example"].iter().any(|ending| path.ends_with(ending))
    };
    let program: BTreeSet<String> = program_sources().into_iter().map(|source| source.path).collect();
    let is_tool = |path: &str| path.starts_with("tools/") && !path.contains("/tests/");
    let sources: Vec<Source> = paths.filter(is_text).map(|path| read(&path)).collect();
    assert!(sources.len() > 300, "only {} files were found", sources.len());
    let is_program = |source: &Source| program.contains(&source.path) || is_tool(&source.path);
    let found: Vec<_> = sources.iter().flat_map(|source| violations(source, is_program(source))).collect();
    assert_no_violations(&found);
}

#[track_caller]
fn assert_text(path: &str, accepted: &[&str], rejected: &[(&str, &str)]) {
    assert_rule(|source| violations(source, true), path, accepted, rejected);
}

#[test]
fn listed_word_is_rejected() {
    let problem = "\"anew\" isn't plain technical English; write";
    for (path, text, line) in [
        ("README.md", "# Start\n\nIt is built\nanew.", 4),
        ("README.md", "| a | b |\n| --- | --- |\n| it is built Anew | |", 3),
        ("src/a.rs", "/// Is built\n/// anew.\nfn f() {}", 2),
        ("src/a.rs", "fn f() {\n    // Built anew.\n    g();\n}", 2),
        ("src/a.rs", "fn f() {\n    g(\"built anew\");\n}", 2),
        ("migrations/0001_a.up.sql", "-- Built anew.\nSELECT 1;", 1),
        ("justfile", "# Build anew\nbuild:\n    cargo build", 1),
    ] {
        assert_text(path, &[], &[(text, &format!("{line}: {problem}"))]);
    }
    let no_prose = "Built again. See [`anew`](docs/anew.md).\n\n```\nanew\n```";
    assert_text("README.md", &[no_prose], &[("It is done in\nvain.", "1: \"in vain\" isn't plain")]);
    let no_text = "/// Not `anew`, not in_vain; connection refused.\nfn anew() {}";
    assert_text("src/a.rs", &[no_text, "#[cfg(test)]\nmod tests { fn f() { g(\"anew\"); } }"], &[]);
    assert_rule(|source| violations(source, false), "tests/a.rs", &["fn f() {\n    r\"\n// anew\"\n}"], &[]);
}

#[test]
fn long_sentence_is_rejected() {
    let (long, short) = (format!("a{}.", " b".repeat(30)), format!("a{}.", " b".repeat(29)));
    let problem = "a sentence has 31 words; the maximum is 30; split it";
    let (one, two) = (format!("1: {problem}"), format!("2: {problem}"));
    assert_text(
        "a.md",
        &[&format!("# {short}\n{short} {short}\n\n1. {short}\n2. `{long}`. {short}")],
        &[(&format!("Short.\n{long}"), &two), (&format!("- item\n- {long}"), &two)],
    );
    let code = format!("//! {short}\n//! {short}\n//!\n//! ```\n//! {long}\n//! ```");
    assert_text("a.rs", &[&code], &[(&format!("/// {long}\nfn f() {{}}"), &one)]);
}

#[test]
fn word_exception_needs_a_use_and_a_reason() {
    let marker = "// plain-language: allow \"nobody\" because it is a user of the operating system";
    let unused = "1: \"nobody\" is allowed and not used; delete";
    let wrong = "// plain-language: allow \"nobody\" because yes";
    let unreasoned = "1: an exception without a word or a reason; write";
    let used = format!("{marker}\nconst USER: &str = \"nobody\";");
    assert_text("src/a.rs", &[&used], &[(marker, unused), (wrong, unreasoned)]);
}
