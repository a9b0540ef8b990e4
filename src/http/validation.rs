//! Parses strings of request bodies into the kernel's types. All errors of a body are reported at once, each with a
//! JSON pointer.

use std::{borrow::Cow, str::FromStr};

use authorization_api::{RoleName, TenantName};
use kernel::{Disallowed, Email, InvalidEmail, InvalidName, InvalidSlug, TenantRef, TenantSlug};
use serde::{Deserialize, Deserializer};
use user_api::DisplayName;

use super::problem::{FieldError, Problem};

/// A type that strings of request bodies are parsed into.
pub(crate) trait Validated: FromStr<Err: DisallowedCharacter> {
    /// Describes valid values, for error messages.
    const EXPECTED: &'static str;
}

/// A parse error that may be due to one character.
pub(crate) trait DisallowedCharacter {
    /// Returns the character.
    fn character(&self) -> Option<Disallowed>;
}

impl DisallowedCharacter for InvalidName {
    fn character(&self) -> Option<Disallowed> {
        if let Self::Character(c) = self { Some(*c) } else { None }
    }
}

impl DisallowedCharacter for InvalidEmail {
    fn character(&self) -> Option<Disallowed> {
        if let Self::Character(c) = self { Some(*c) } else { None }
    }
}

impl DisallowedCharacter for InvalidSlug {
    fn character(&self) -> Option<Disallowed> {
        None
    }
}

impl Validated for TenantName {
    const EXPECTED: &'static str = "A name is one line of 1 to 200 characters.";
}

impl Validated for TenantSlug {
    const EXPECTED: &'static str = "A slug has 3 to 63 characters: letters a-z, digits and single hyphens between \
        them. It must not be a UUID or a reserved word such as admin, api or www.";
}

impl Validated for RoleName {
    const EXPECTED: &'static str = "A role name is one line of 1 to 100 characters.";
}

impl Validated for TenantRef {
    const EXPECTED: &'static str = "Must be the slug or id of a tenant.";
}

impl Validated for DisplayName {
    const EXPECTED: &'static str = "A display name is one line of 1 to 200 characters.";
}

impl Validated for Email {
    const EXPECTED: &'static str = "An e-mail address has ASCII letters, digits and symbols, one @ and a full domain, such \
        as alice@example.com, and at most 254 bytes. Quotes, comments and display names are not supported.";
}

/// Parses the string at `pointer`.
pub(crate) fn validate<T: Validated>(pointer: &str, text: &str) -> Result<T, FieldError> {
    text.parse().map_err(|error: T::Err| {
        let detail = match error.character() {
            // By its number, because it may be invisible.
            Some(c) => Cow::from(format!(
                "The character {c} is not allowed. Remove control, formatting, invisible and unassigned characters."
            )),
            None => T::EXPECTED.into(),
        };
        FieldError { pointer: pointer.into(), detail }
    })
}

/// Parses the optional string at `pointer`.
pub(crate) fn validate_optional<T: Validated>(pointer: &str, text: Option<&str>) -> Result<Option<T>, FieldError> {
    text.map(|text| validate(pointer, text)).transpose()
}

/// Returns both values, or the errors of both.
pub(crate) fn zip_errors<A, B>(one: Result<A, FieldError>, other: Result<B, FieldError>) -> Result<(A, B), Problem> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (one, other) => Err(Problem::invalid_body(one.err().into_iter().chain(other.err()))),
    }
}

/// Deserializes an optional field that must not be null. Whether null means "leave unchanged" or "remove" would be
/// ambiguous.
pub(crate) fn non_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
