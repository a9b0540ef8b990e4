//! Compiler diagnostics, without the parts that change independently of the mistake.

use serde_json::Value;

/// An error of the compiler.
pub(crate) struct Diagnostic {
    /// Relative to the folder in which the compiler ran.
    pub(crate) file: String,
    rendered: String,
}

impl Diagnostic {
    /// Parses a line of `rustc --error-format=json`. Returns `None` unless it is an error with a location.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(line).ok()?;
        if message["level"] != "error" {
            return None;
        }
        let primary = message["spans"].as_array()?.iter().find(|span| span["is_primary"] == true)?;
        let file = primary["file_name"].as_str()?.to_owned();
        Some(Self { file, rendered: message["rendered"].as_str()?.to_owned() })
    }

    /// Returns the message without source excerpts of other files, lists of implementing types, and notes about macros.
    /// The margins get a fixed width.
    pub(crate) fn normalized(&self) -> String {
        let mut text = String::new();
        for part in parts(&self.rendered) {
            let is_foreign = |line: &&str| {
                let location = ["--> ", "::: "].iter().find_map(|arrow| line.trim_start().strip_prefix(arrow));
                location.is_some_and(|location| !location.starts_with(&self.file))
            };
            let mut is_kept = !part.iter().find(|line| line.trim_start().starts_with("--> ")).is_some_and(is_foreign);
            let kept = without_lists(&part).into_iter().filter(|line| {
                is_kept = line.trim_start().starts_with("= ") || (is_kept && !is_foreign(line));
                is_kept
            });
            let mut note_indent = 0;
            for line in kept {
                if line.trim_start().starts_with("= ") {
                    note_indent = indent(line);
                }
                text.push_str(&(margin(line, note_indent) + "\n"));
            }
        }
        text
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Splits the message and its separate notes.
fn parts(rendered: &str) -> Vec<Vec<&str>> {
    let mut parts: Vec<Vec<&str>> = Vec::new();
    for line in rendered.trim_end().lines() {
        match parts.last_mut() {
            Some(part) if !(line.starts_with("note: ") || line.starts_with("help: ")) => part.push(line),
            _ => parts.push(vec![line]),
        }
    }
    parts
}

fn without_lists<'a>(part: &[&'a str]) -> Vec<&'a str> {
    let mut in_list = false;
    let kept = part.iter().copied().filter(|line| {
        let text = line.trim_start();
        let is_list_item = !(text.starts_with(['=', '|']) || line.starts_with(|c: char| !c.is_whitespace()));
        in_list = text.starts_with("= help: the following other types") || (in_list && is_list_item);
        !in_list && !text.is_empty() && !text.starts_with("= note: this error originates in the macro")
    });
    kept.collect()
}

/// Sets the margin to a fixed width, because its original width depends on the line numbers of removed notes.
fn margin(line: &str, note_indent: usize) -> String {
    let trimmed = line.trim_start();
    match (trimmed.split_once(' '), trimmed.chars().next()) {
        _ if trimmed.starts_with("--> ") => format!("  {trimmed}"),
        (_, Some('|' | '=')) => format!("   {trimmed}"),
        (Some((number, code)), _) if code.starts_with('|') && number.parse::<u32>().is_ok() => {
            format!("{number:>2} {code}")
        }
        // The continuation of a note is aligned with its first line.
        _ if note_indent > 0 && indent(line) > note_indent => " ".repeat(indent(line) - note_indent + 3) + trimmed,
        _ => line.to_owned(),
    }
}

#[test]
fn rustc_output_is_normalized() {
    let rendered = "error[E0277]: a handler can't have `dyn Database`
   --> src/http/handlers/case.rs:8:22
    |
  8 |     routes.get(\"/\", list);
    |            ---      ^^^^ not a handler service
    |            |
    |            required by a bound introduced by this call
    |
   ::: src/http/module.rs:20:1
    |
 20 | trait Database {}
    | -------------- defined here
    |
    = help: the trait `HandlerService` is not implemented for `dyn Database`
    = help: the following other types implement trait `HandlerService`:
              Tenancy
              dyn Clock
    = note: list it
            as shown
note: required by a bound in `Routes::get`
   --> src/http/route.rs:188:12
    |
185 |     pub(crate) fn get<F, A>(&mut self)
    |                   --- required by a bound in this associated function
    = note: and not a repository
    = note: this error originates in the macro `parameters` (in Nightly builds, run with -Z macro-backtrace)
";
    let diagnostic = Diagnostic { file: "src/http/handlers/case.rs".into(), rendered: rendered.into() };
    let expected = "error[E0277]: a handler can't have `dyn Database`
  --> src/http/handlers/case.rs:8:22
   |
 8 |     routes.get(\"/\", list);
   |            ---      ^^^^ not a handler service
   |            |
   |            required by a bound introduced by this call
   |
   = help: the trait `HandlerService` is not implemented for `dyn Database`
   = note: list it
           as shown
   = note: and not a repository
";
    assert_eq!(diagnostic.normalized(), expected);
}
