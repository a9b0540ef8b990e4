//! The text of a file that plain language applies to, as paragraphs.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::sources::{Source, is_ident, tokens};

/// A line of text without its comment prefix, and its number in the file.
type Line<'a> = (usize, &'a str);

/// A paragraph, heading, list item, table cell or string literal.
pub(super) struct Paragraph {
    /// With inline code masked as one word, and link targets blanked.
    pub(super) text: String,
    /// Byte offsets in `text` where a line begins, each with the line's number.
    lines: Vec<(usize, usize)>,
    /// Whether the maximum sentence length applies.
    pub(super) has_sentence_limit: bool,
}

impl Paragraph {
    fn new(lines: &[Line], has_sentence_limit: bool) -> Self {
        let (mut text, mut starts) = (String::new(), Vec::new());
        for (number, line) in lines {
            starts.push((text.len(), *number));
            text.push_str(line.trim());
            text.push(' ');
        }
        Self { text: mask(&text), lines: starts, has_sentence_limit }
    }

    pub(super) fn line_at(&self, offset: usize) -> usize {
        self.lines.iter().take_while(|(start, _)| *start <= offset).last().map_or(0, |(_, number)| *number)
    }
}

/// Returns all text of a file that the rules apply to. `is_program`: its string literals are checked as well.
pub(super) fn text_of(source: &Source, is_program: bool) -> Vec<Paragraph> {
    if source.path.ends_with(".md") {
        return paragraphs(&(1..).zip(source.text.lines()).collect::<Vec<_>>(), true);
    }
    if !source.path.ends_with(".rs") {
        let prefix = if source.path.ends_with(".sql") { "--" } else { "#" };
        return comments(source, &[prefix], &BTreeSet::new());
    }
    let literals = string_literals(source.text.parse().unwrap());
    let in_literals = literals.iter().flat_map(|(first, last, _)| first + 1..=*last).collect();
    let mut found = comments(source, &["///", "//!", "//"], &in_literals);
    let texts = if is_program { string_literals(tokens(source)) } else { Vec::new() };
    found.extend(texts.iter().map(|(line, _, text)| Paragraph::new(&[(*line, text)], false)));
    found
}

/// Masks inline code as one word, and blanks link targets and HTML comments. Byte offsets don't change.
fn mask(text: &str) -> String {
    let (mut masked, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(['`', ']', '<']) {
        let (before, from) = rest.split_at(at);
        let ticks = from.len() - from.trim_start_matches('`').len();
        let closed = |closing: &str| from[ticks..].find(closing).map(|end| ticks + end + closing.len());
        let (length, fill) = if ticks > 0 {
            (closed(&"`".repeat(ticks)).unwrap_or(ticks), "x")
        } else if from.starts_with("](") {
            (closed(")").unwrap_or(1), " ")
        } else if from.starts_with("<!--") {
            (closed("-->").unwrap_or(1), " ")
        } else {
            (1, " ")
        };
        masked.push_str(before);
        masked.push_str(&fill.repeat(length));
        rest = &from[length..];
    }
    masked + rest
}

/// Splits Markdown, or the text of a comment, into paragraphs. Code blocks are left out.
fn paragraphs(lines: &[Line], has_sentence_limit: bool) -> Vec<Paragraph> {
    let (mut found, mut current, mut in_code) = (Vec::new(), Vec::new(), false);
    for (number, line) in lines.iter().chain([&(0, "")]) {
        let line = line.trim_start_matches(['>', ' ']);
        // A `plain-language: allow` line isn't text.
        let line = if line.starts_with("plain-language: ") { "" } else { line };
        let is_fence = line.starts_with("```");
        let after_number = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_item = ["- ", "* ", "#", "|", "<"].iter().any(|prefix| line.starts_with(prefix));
        let is_numbered = after_number.len() < line.len() && after_number.starts_with(". ");
        let is_after_heading = current.first().is_some_and(|(_, first): &Line| first.starts_with('#'));
        if (is_fence || is_item || is_numbered || is_after_heading || line.is_empty()) && !current.is_empty() {
            found.push(Paragraph::new(&current, has_sentence_limit));
            current.clear();
        }
        in_code ^= is_fence;
        if line.starts_with('|') && !in_code {
            let cells = mask(line);
            found.extend(cells.split('|').map(|cell| Paragraph::new(&[(*number, cell)], has_sentence_limit)));
        } else if !in_code && !is_fence && !line.is_empty() {
            current.push((*number, line));
        }
    }
    found
}

/// Returns the comments of a file. Consecutive lines with the same comment prefix are one text.
fn comments(source: &Source, prefixes: &[&str], skipped: &BTreeSet<usize>) -> Vec<Paragraph> {
    let (mut found, mut block, mut block_prefix) = (Vec::new(), Vec::new(), "");
    for (number, line) in (1..).zip(source.text.lines().map(str::trim_start).chain([""])) {
        let prefix = prefixes.iter().find(|prefix| line.starts_with(**prefix) && !skipped.contains(&number));
        let prefix = prefix.copied().unwrap_or_default();
        if prefix != block_prefix {
            found.extend(paragraphs(&block, ["///", "//!"].contains(&block_prefix)));
            block.clear();
            block_prefix = prefix;
        }
        if !prefix.is_empty() {
            block.push((number, &line[prefix.len()..]));
        }
    }
    found
}

/// Returns the string literals that aren't doc comments: the first line, the last line and the text.
fn string_literals(stream: TokenStream) -> Vec<(usize, usize, String)> {
    let mut found = Vec::new();
    for token in stream {
        match token {
            TokenTree::Group(group) => {
                let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                let is_doc = group.delimiter() == Delimiter::Bracket && is_ident(&inside, 0, "doc");
                found.extend(if is_doc { Vec::new() } else { string_literals(group.stream()) });
            }
            TokenTree::Literal(literal) => {
                let (first, last) = (literal.span().start().line, literal.span().end().line);
                let text = syn::parse2::<syn::LitStr>(TokenTree::Literal(literal).into());
                found.extend(text.ok().map(|text| (first, last, text.value())));
            }
            _ => {}
        }
    }
    found
}
