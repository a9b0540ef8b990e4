//! What is wrong with a configuration, in words that can be shown: no value of any key ever gets in here, secret or
//! not, for a password is easily pasted into the wrong key.

use std::error::Error;
use std::fmt;

/// Everything that is wrong with the configuration; never empty.
///
/// Its `Display` has several lines: how many problems there are, then one line each.
#[derive(Debug)]
pub struct ConfigErrors(pub Vec<ConfigError>);

/// One thing that is wrong.
#[derive(Debug)]
pub struct ConfigError {
    /// The key, or the name of the file where the file as a whole is wrong.
    pub key: String,
    /// Where the value came from.
    pub origin: Origin,
    /// What is wrong and what would be right, without the value.
    pub message: String,
}

/// Where a [`ConfigError`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the layer of this name: `environment`, `.env` or `tenantry.toml`.
    Layer(String),
    /// No layer sets the key.
    NotSet,
    /// On this line of a file, counted from 1.
    Line(usize),
    /// Somewhere in a file.
    File,
}

impl Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "" } else { "s" };
        write!(f, "the configuration has {} problem{plural}; nothing was started", self.0.len())?;
        self.0.iter().try_for_each(|error| write!(f, "\n{error}"))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Layer(layer) => write!(f, "{} (from {layer}): {}", self.key, self.message),
            Origin::NotSet => write!(f, "{} (not set): {}", self.key, self.message),
            Origin::Line(line) => write!(f, "{} (line {line}): {}", self.key, self.message),
            Origin::File => write!(f, "{}: {}", self.key, self.message),
        }
    }
}
