//! Every code block of the documents is executed, compared with a source, or has a reason why not.
//!
//! - The `sh` blocks of README.md, the tutorial and the operations guides are run in order, by one `bash` per document in
//!   an empty folder, as a reader pastes them. `cargo run` starts the server; `cargo run -- …` and `tenantry …` run a
//!   command. A `json` or `text` block after it is the expected output, where `…` stands for any text; white space doesn't
//!   count.
//! - `.ci/apply-endpoint-guide` applies and runs the blocks of the guides in a copy of the workspace.
//!
//! An HTML comment above a block gives an instruction:
//!
//! - `<!-- start the server -->`, `<!-- stop the server -->`: before the block is run.
//! - `<!-- from PATH -->`: the block is quoted from that file.
//! - `<!-- run by TEST -->`: that test runs the commands.
//! - `<!-- not run: REASON -->`

use std::{
    fs,
    io::{BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use rstest::rstest;
use test_support::search_path;

use crate::{
    db_commands::complete_bin_dir,
    process::{RunningServer, work_dir},
    source_files::{files_below, read, root},
};

/// The documents whose commands are run here.
const EXECUTED: [&str; 3] = ["README.md", "docs/tutorial.md", "docs/operations/backup-restore.md"];
/// The documents whose blocks `.ci/apply-endpoint-guide` applies.
const GUIDES: [&str; 1] = ["docs/adding-an-endpoint.md"];

#[rstest]
#[case::readme(EXECUTED[0])]
#[case::tutorial(EXECUTED[1])]
#[case::backup_and_restore(EXECUTED[2])]
fn document_examples_work(#[case] document: &str) {
    let text = read(document);
    let mut session = Session::start();
    let mut output = None;
    for block in blocks(&text) {
        let place = format!("{document}:{}", block.line);
        match (block.language, block.instruction) {
            ("mermaid", _) => {}
            (_, Some(reason)) if reason.starts_with("not run: ") => output = None,
            ("sh", instruction) => output = Some(session.run(&place, instruction, &block.text)),
            ("json" | "text", _) => {
                let output = output.as_ref().unwrap_or_else(|| panic!("{place}: no command comes before this output"));
                assert_matches(&place, &block.text, output);
            }
            (other, _) => panic!("{place}: a {other:?} block is neither a command nor its output"),
        }
    }
}

#[test]
fn every_block_is_executed_or_has_a_reason() {
    let sources = sources();
    let mut violations = Vec::new();
    for document in documents() {
        if EXECUTED.contains(&&*document) || GUIDES.contains(&&*document) {
            continue;
        }
        for block in blocks(&read(&document)) {
            if let Some(violation) = uncovered(&block, &sources) {
                violations.push(format!("{document}:{}: {violation}", block.line));
            }
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// Why nothing ensures that this block is right, if so.
fn uncovered(block: &Block<'_>, sources: &str) -> Option<String> {
    let squeeze = |text: &str| text.split_whitespace().collect::<String>();
    match block.instruction {
        _ if block.language == "mermaid" => None,
        Some(reason) if reason.starts_with("not run: ") => None,
        Some(instruction) if instruction.starts_with("run by ") => {
            let test = &instruction["run by ".len()..];
            (!sources.contains(&format!("fn {test}("))).then(|| format!("there is no test `{test}`"))
        }
        Some(instruction) if instruction.starts_with("from ") => {
            let path = &instruction["from ".len()..];
            (!squeeze(&read(path)).contains(&squeeze(&block.text))).then(|| format!("{path} doesn't contain this block"))
        }
        _ => Some(
            "nothing checks this block: quote it with `<!-- from PATH -->`, name a test with `<!-- run by TEST -->`, or \
             give a reason with `<!-- not run: REASON -->`"
                .into(),
        ),
    }
}

#[test]
fn uncovered_blocks_are_detected() {
    let text = "<!-- from README.md -->\n```text\nno such line\n```\n```sh\nls\n```\n<!-- run by no_such_test -->\n```sh\n```\n";
    let found: Vec<_> = blocks(text).iter().filter_map(|block| uncovered(block, "fn a_test()")).collect();
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[2].contains("no_such_test"), "{found:?}");
}

/// Returns the documents of the project: the Markdown files at the root, in `docs/`, and the README files of modules.
fn documents() -> Vec<String> {
    let markdown = files_below(&root().join("docs")).into_iter().filter(|path| path.extension() == Some("md".as_ref()));
    let in_docs = markdown.map(|path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
    let others = ["README.md", "ARCHITECTURE.md", "modules/embedded-postgres/README.md"].map(str::to_owned);
    others.into_iter().chain(in_docs).collect()
}

/// Returns the text of the end-to-end tests, to look up the names of tests.
fn sources() -> String {
    files_below(&root().join("tests/e2e")).iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// A fenced block of a document.
struct Block<'a> {
    language: &'a str,
    /// The HTML comment on the line above the block.
    instruction: Option<&'a str>,
    text: String,
    /// Line number of the opening fence.
    line: usize,
}

fn blocks(document: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let (mut open, mut instruction) = (false, None);
    for (index, line) in document.lines().enumerate() {
        let bare = line.trim_start();
        match (open, bare.strip_prefix("```")) {
            (false, Some(language)) => {
                blocks.push(Block { language, instruction: instruction.take(), text: String::new(), line: index + 1 });
                open = true;
            }
            (true, Some(_)) => open = false,
            (true, None) => {
                let block = blocks.last_mut().unwrap();
                block.text += line;
                block.text.push('\n');
            }
            (false, None) if bare.is_empty() => {}
            (false, None) => instruction = bare.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")),
        }
    }
    blocks
}

/// A shell, and the server that the document has started.
struct Session {
    shell: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    server: Option<RunningServer>,
    work_dir: tempfile::TempDir,
    /// An installation with the client programs that the documents use.
    bin_dir: String,
}

/// The address that the documents name; the server of a test has another port.
const DOCUMENTED: &str = "http://127.0.0.1:8080";

impl Session {
    fn start() -> Self {
        let (work_dir, bin_dir) = (work_dir(), complete_bin_dir().to_str().unwrap().to_owned());
        let mut shell = Command::new("bash")
            .env_clear()
            .env("PATH", search_path().unwrap())
            .env("HTTP_PORT", "0")
            .env("POSTGRES_BIN_DIR", &bin_dir)
            .current_dir(work_dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut input, output) = (shell.stdin.take().unwrap(), BufReader::new(shell.stdout.take().unwrap()).lines());
        let program = env!("CARGO_BIN_EXE_tenantry");
        // The documents' commands, run by the program that was built for the tests. `cargo test` is what runs this test.
        writeln!(input, "exec 2>&1\ntenantry() {{ {program:?} \"$@\" </dev/null; }}").unwrap();
        let cargo = "case \"$1 $2\" in 'run --') shift 2; tenantry \"$@\";; 'test --workspace');; *) return 1;; esac";
        writeln!(input, "cargo() {{ {cargo}; }}").unwrap();
        Self { shell, input, output, server: None, work_dir, bin_dir }
    }

    fn start_server(&self) -> RunningServer {
        RunningServer::start(self.work_dir.path(), &[("POSTGRES_BIN_DIR", &self.bin_dir)])
    }

    /// Runs a block. Returns what it has printed.
    fn run(&mut self, place: &str, instruction: Option<&str>, commands: &str) -> String {
        match instruction {
            Some("stop the server") => drop(self.server.take().map(RunningServer::interrupt)),
            Some("start the server") => self.server = Some(self.start_server()),
            Some(other) => panic!("{place}: unknown instruction {other:?}"),
            None => {}
        }
        if commands.trim() == "cargo run" {
            let server = self.start_server();
            let printed = server.output().replace(&server.url, DOCUMENTED);
            self.server = Some(server);
            return printed;
        }
        let address = self.server.as_ref().map_or(DOCUMENTED, |server| &server.url);
        let commands = commands.replace(DOCUMENTED, address);
        writeln!(self.input, "{commands}\nprintf '\\n[exit %s]\\n' $?").unwrap();
        let mut printed = String::new();
        let status = loop {
            let line = self.output.next().unwrap_or_else(|| panic!("{place}: the shell exited: {printed}")).unwrap();
            match line.strip_prefix("[exit ").and_then(|rest| rest.strip_suffix(']')) {
                Some(status) => break status.to_owned(),
                None => printed = printed + &line + "\n",
            }
        };
        assert_eq!(status, "0", "{place}: {printed}");
        printed.replace(address, DOCUMENTED)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.server.take());
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// Compares without white space, since the documents wrap long lines. `…` matches any text.
fn assert_matches(place: &str, expected: &str, output: &str) {
    let squeeze = |text: &str| text.split_whitespace().collect::<String>();
    let output_text = squeeze(output);
    let mut rest = output_text.as_str();
    // Log lines may come between the lines of a text, but not within JSON.
    let expected_text =
        if expected.starts_with(['{', '[']) { expected.to_owned() } else { expected.replace('\n', "…") };
    for part in squeeze(&expected_text).split('…') {
        let found = rest.find(part).map(|start| &rest[start + part.len()..]);
        rest = found.unwrap_or_else(|| panic!("{place}: {part:?} is missing:\n{expected}\n--- in:\n{output}"));
    }
}

#[test]
fn wrong_output_is_detected() {
    assert_matches("here", "{\"id\":\"…\",\n \"name\":\"a b\"}", "{\"id\":\"1\",\"name\":\"a b\"}");
    let wrong = || assert_matches("here", "{\"id\":\"…\"}", "{\"name\":\"a\"}");
    assert!(std::panic::catch_unwind(wrong).is_err());
}
