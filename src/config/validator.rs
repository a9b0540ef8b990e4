//! Parses single values of the merged layers and collects the errors.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

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

pub(super) fn whole_number<T: FromStr + PartialOrd + Display>(
    range: RangeInclusive<T>,
) -> impl FnOnce(&str) -> Result<T, String> {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
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
