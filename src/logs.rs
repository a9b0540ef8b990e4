//! Logging to standard error: human-readable in a terminal, JSON otherwise. Standard output is reserved for the output
//! of commands.

use std::{
    error::Error,
    fmt::{self, Write},
    io::{self, IsTerminal},
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{LogConfig, LogFormat};

/// Directives for other crates, which a filter that names the same targets overrides.
///
/// - actix logs the start of every worker at info level. It also logs input that isn't HTTP at error level: the operator
///   can't do anything about it, and a client could fill the log.
/// - sqlx logs invalid lines of `.pgpass` and unknown parameters of a URL, with passwords.
const DEFAULT_DIRECTIVES: &str =
    "actix_server=warn,actix_http::h1::dispatcher=off,actix_http::h1::decoder=off,sqlx_postgres::options=off";

/// Maximum number of characters of a log field that a client has sent.
const MAX_CLIENT_TEXT_CHARS: usize = 200;
/// Maximum number of characters of an error in the log. It may quote input.
const MAX_ERROR_CHARS: usize = 2000;

/// The log filter can't be parsed.
#[derive(Debug, thiserror::Error)]
#[error("LOG_LEVEL is invalid: {0}")]
pub struct InvalidFilter(#[from] tracing_subscriber::filter::ParseError);

/// Installs the global subscriber.
///
/// # Errors
/// [`InvalidFilter`] if the filter can't be parsed.
pub fn init(config: &LogConfig) -> Result<(), InvalidFilter> {
    let json = match config.format {
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Auto => !io::stderr().is_terminal(),
    };
    // Fails if a subscriber is installed already, as in tests; the first one is kept.
    let _ = subscriber(&config.filter, json, io::stderr)?.try_init();
    Ok(())
}

/// Creates a subscriber that writes to `writer`. Each JSON line contains the fields of its request's span.
///
/// # Errors
/// [`InvalidFilter`] if the filter can't be parsed.
pub fn subscriber<W>(
    filter: &str,
    json: bool,
    writer: W,
) -> Result<impl tracing::Subscriber + Send + Sync + 'static, InvalidFilter>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(format!("{DEFAULT_DIRECTIVES},{filter}"))?;
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let layer: Box<dyn tracing_subscriber::Layer<_> + Send + Sync> = match json {
        true => Box::new(layer.json().flatten_event(true).with_span_list(false)),
        false => Box::new(layer.with_ansi(io::stderr().is_terminal())),
    };
    Ok(tracing_subscriber::registry().with(filter).with(layer))
}

/// Displays an error and all its sources on one line.
pub(crate) struct ErrorChain<'a>(pub(crate) &'a (dyn Error + 'a));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

/// Returns text from a client for a log field: at most 200 characters, control characters escaped.
pub(crate) fn client_text<T: fmt::Display>(text: T) -> impl fmt::Display {
    Sanitized { text, max_chars: MAX_CLIENT_TEXT_CHARS }
}

/// Returns an error and all its sources for a log field: at most 2,000 characters, control characters escaped.
pub(crate) fn error_text<'a>(error: &'a (dyn Error + 'a)) -> impl fmt::Display + 'a {
    Sanitized { text: ErrorChain(error), max_chars: MAX_ERROR_CHARS }
}

/// Returns a line of a message that may quote input: at most 2,000 characters, control characters escaped.
pub(crate) fn message_text<T: fmt::Display>(text: T) -> impl fmt::Display {
    Sanitized { text, max_chars: MAX_ERROR_CHARS }
}

/// Displays the beginning of a text, then `…` if it is longer. Escapes characters that a terminal interprets or doesn't
/// show, so that the text can't forge log lines or colors.
struct Sanitized<T> {
    text: T,
    max_chars: usize,
}

impl<T: fmt::Display> fmt::Display for Sanitized<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut writer = SanitizingWriter { f, remaining: self.max_chars, is_truncated: false };
        let result = write!(writer, "{}", self.text);
        if writer.is_truncated { f.write_char('…') } else { result }
    }
}

struct SanitizingWriter<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    remaining: usize,
    is_truncated: bool,
}

impl Write for SanitizingWriter<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            // Ends the formatting, so that the rest of a long text isn't formatted at all.
            let Some(remaining) = self.remaining.checked_sub(1) else {
                self.is_truncated = true;
                return Err(fmt::Error);
            };
            self.remaining = remaining;
            match c {
                '"' | '\'' | '\\' => self.f.write_char(c)?,
                _ => write!(self.f, "{}", c.escape_debug())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_text_is_bounded() {
        assert_eq!(client_text("a".repeat(200)).to_string(), "a".repeat(200));
        for length in [201, 120_000] {
            assert_eq!(client_text("ä".repeat(length)).to_string(), format!("{}…", "ä".repeat(200)));
        }
        let error = io::Error::other("x".repeat(10_000));
        assert_eq!(error_text(&error).to_string(), format!("{}…", "x".repeat(2000)));
    }

    #[test]
    fn control_characters_are_escaped() {
        for (text, escaped) in [
            ("curl/8.0 (\"x\"; it's a\\b) ä", "curl/8.0 (\"x\"; it's a\\b) ä"),
            ("a\nERROR b\r\tc\0", "a\\nERROR b\\r\\tc\\0"),
            ("\u{1b}[31mred\u{9b}0m\u{7f}", "\\u{1b}[31mred\\u{9b}0m\\u{7f}"),
            ("\u{202e}right to left\u{200b}", "\\u{202e}right to left\\u{200b}"),
        ] {
            assert_eq!(client_text(text).to_string(), escaped);
        }
    }
}
