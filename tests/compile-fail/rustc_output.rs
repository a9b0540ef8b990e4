//! What the compiler says, without what changes while the mistake stays the same.

use serde_json::Value;

/// An error.
pub(crate) struct Diagnostic {
    /// Where, from the package's folder.
    pub(crate) file: String,
    rendered: String,
}

impl Diagnostic {
    /// Of a line of `cargo check --message-format=json`; `None` where it is no error with a place.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        let message = line.get("message")?;
        if message["level"] != "error" {
            return None;
        }
        let primary = message["spans"].as_array()?.iter().find(|span| span["is_primary"] == true)?;
        let file = primary["file_name"].as_str()?.to_owned();
        Some(Self { file, rendered: message["rendered"].as_str()?.to_owned() })
    }

    /// Left out are notes about other files, lists of all the types that would have done, which macro it was, and the widths of margins.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for part in parts(&self.rendered) {
            let place = part.iter().find_map(|line| line.trim_start().strip_prefix("--> "));
            let here = place.is_none_or(|place| place.starts_with(&self.file));
            let kept = without_lists(&part).into_iter().filter(|line| here || line.trim_start().starts_with("= "));
            // How much wider the margin of the last note was than it is shown.
            let mut wider = 0;
            for line in kept {
                if line.trim_start().starts_with("= ") {
                    wider = indent(line).saturating_sub(3);
                }
                text.push_str(&(margin(line, wider) + "\n"));
            }
        }
        text
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The message, and each of its notes that has a place of its own.
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
        let beginning = line.trim_start();
        let listed = !(beginning.starts_with(['=', '|']) || line.starts_with(|c: char| !c.is_whitespace()));
        in_list = beginning.starts_with("= help: the following other types") || (in_list && listed);
        !in_list && !beginning.is_empty() && !beginning.starts_with("= note: this error originates in the macro")
    });
    kept.collect()
}

/// A margin as wide as the longest line number of the files that a message shows depends on what is left out.
fn margin(line: &str, wider: usize) -> String {
    let trimmed = line.trim_start();
    match (trimmed.split_once(' '), trimmed.chars().next()) {
        _ if trimmed.starts_with("--> ") => format!("  {trimmed}"),
        (_, Some('|' | '=')) => format!("   {trimmed}"),
        (Some((number, code)), _) if code.starts_with('|') && number.parse::<u32>().is_ok() => {
            format!("{number:>2} {code}")
        }
        // What a note goes on with is put under its beginning.
        _ if indent(line) > wider => line[wider..].to_owned(),
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
    = help: the trait `HandlerService` is not implemented for `dyn Database`
    = help: the following other types implement trait `HandlerService`:
              Tenancy
              dyn Clock
    = note: list it
            as it is
note: required by a bound in `Routes::get`
   --> src/http/route.rs:188:12
    |
185 |     pub(crate) fn get<F, A>(&mut self)
    |                   --- required by a bound in this associated function
    = note: and not a repository
    = note: this error originates in the macro `parameters` (in Nightly builds, run with -Z macro-backtrace)
";
    let message = Diagnostic { file: "src/http/handlers/case.rs".into(), rendered: rendered.into() };
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
           as it is
   = note: and not a repository
";
    assert_eq!(message.text(), expected);
}
