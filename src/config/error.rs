//! Configuration errors.
//!
//! An error never contains the value of a key, secret or not, because a password is easily pasted into the wrong key.

use std::error::Error;
use std::fmt;

/// All errors of a configuration; never empty.
///
/// `Display` prints the number of errors, then one line per error.
#[derive(Debug)]
pub struct ConfigErrors(pub Vec<ConfigError>);

/// A single error.
#[derive(Debug)]
pub struct ConfigError {
    /// The key, or the file name if the whole file is invalid.
    pub key: String,
    /// Source of the value.
    pub origin: Origin,
    /// What is wrong and how to fix it, without the value.
    pub message: String,
}

impl ConfigError {
    pub(super) fn new(key: &str, origin: Origin, message: impl Into<String>) -> Self {
        Self { key: key.to_owned(), origin, message: message.into() }
    }
}

/// The location of a [`ConfigError`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The layer with this name: `environment`, `.env` or `tenantry.toml`.
    Layer(&'static str),
    /// No layer sets the key.
    NotSet,
    /// A line of a file, counted from 1.
    Line(usize),
    /// A file as a whole.
    File,
}

impl Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "" } else { "s" };
        write!(f, "the configuration has {} error{plural}; nothing was started", self.0.len())?;
        self.0.iter().try_for_each(|error| write!(f, "\n{error}"))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, origin, message } = self;
        match origin {
            Origin::Layer(layer) => write!(f, "{key} (from {layer}): {message}"),
            Origin::NotSet => write!(f, "{key} (not set): {message}"),
            Origin::Line(line) => write!(f, "{key} (line {line}): {message}"),
            Origin::File => write!(f, "{key}: {message}"),
        }
    }
}
