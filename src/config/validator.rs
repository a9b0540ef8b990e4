//! Parses single values of the merged layers and collects the errors.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use kernel::parse_integer;
use url::Url;

use super::error::{ConfigError, Origin};
use super::layers::{DEFAULTS, MergedLayers};

/// Parses the sections of the configuration.
///
/// Every section reads all of its keys before it fails, so that no error hides another. A failing section returns
/// `None` and has added at least one error.
pub(super) struct Validator {
    pub(super) layers: MergedLayers,
}

impl Validator {
    /// Parses a key's value. Returns `None` if it is unset, or invalid, which adds an error.
    pub(super) fn value<T>(&mut self, key: &'static str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        parse(&self.layers.values.get(key)?.text).map_err(|message| self.add_error(key, message)).ok()
    }

    /// Returns whether a layer above the defaults sets the key.
    pub(super) fn is_explicit(&self, key: &str) -> bool {
        self.layers.values.get(key).is_some_and(|value| value.layer != DEFAULTS)
    }

    /// Adds an error if the key is missing, unless it may be set in an unreadable file.
    pub(super) fn require(&mut self, key: &'static str, message: &str) {
        if self.layers.complete && !self.is_explicit(key) {
            self.add_error(key, message);
        }
    }

    pub(super) fn add_error(&mut self, key: &'static str, message: impl Into<String>) {
        let origin = self.layers.values.get(key).map_or(Origin::NotSet, |value| Origin::Layer(value.layer));
        self.layers.errors.push(ConfigError::new(key, origin, message));
    }
}

/// Parses a value of any type whose errors don't contain the text.
pub(super) fn from_str<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// Returns a parser of decimal numbers in a range. A plus sign and leading zeros are rejected.
pub(crate) fn whole_number<T: FromStr + PartialOrd + Display>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        let number = parse_integer(text).filter(|number| range.contains(number));
        number.ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
    }
}

pub(super) fn one_of<T, const N: usize>(all: [(&'static str, T); N]) -> impl FnOnce(&str) -> Result<T, String> {
    move |text| {
        let names = all.each_ref().map(|(name, _)| *name);
        all.into_iter()
            .find_map(|(name, value)| (name == text).then_some(value))
            .ok_or_else(|| format!("must be one of: {}", names.join(", ")))
    }
}

/// Parses a base URL that paths are appended to. Returns `None` unless it has a host, and no user, query and fragment.
pub(super) fn base_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let (scheme, rest) = text.split_once("://")?;
    // `Url` repairs some mistakes: it removes line breaks, adds slashes, and replaces backslashes.
    let is_repaired = scheme != url.scheme()
        || rest.starts_with('/')
        || rest.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\');
    let authority = rest.split('/').next()?;
    let after_brackets = authority.rsplit_once(']').map_or(authority, |(_, rest)| rest);
    let port = after_brackets.split_once(':').map(|(_, port)| port);
    let is_valid = port.is_none_or(|port| whole_number(1..=u16::MAX)(port).is_ok());
    (is_valid && !is_repaired && url.has_host() && !rest.contains(['@', '?', '#'])).then_some(url)
}
