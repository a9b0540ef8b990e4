//! A body's texts, parsed into the kernel's types. What doesn't fit is named by its place, all of it at once.

use std::str::FromStr;

use kernel::contracts::{DisplayName, Email, RoleName, TenantName, TenantRef, TenantSlug};
use serde::{Deserialize, Deserializer};

use super::problem::{FieldError, Problem};

/// A type that a text in a body may have to fit.
pub(crate) trait Validated: FromStr {
    /// What would fit.
    const EXPECTED: &'static str;
}

impl Validated for TenantName {
    const EXPECTED: &'static str = "A name is one line of 1 to 200 characters.";
}

impl Validated for TenantSlug {
    const EXPECTED: &'static str = "A slug has 3 to 63 letters a-z, digits and single inner hyphens; it is neither a UUID \
        nor a word that is reserved, such as admin, api or www.";
}

impl Validated for RoleName {
    const EXPECTED: &'static str = "A role's name is one line of 1 to 100 characters.";
}

impl Validated for TenantRef {
    const EXPECTED: &'static str = "A tenant is named by its slug or its id.";
}

impl Validated for DisplayName {
    const EXPECTED: &'static str = "A display name is one line of 1 to 200 characters.";
}

impl Validated for Email {
    const EXPECTED: &'static str = "An e-mail address has a name, one @ and a domain, and at most 254 bytes.";
}

/// The text at this place.
pub(crate) fn validate<T: Validated>(pointer: &str, text: &str) -> Result<T, FieldError> {
    text.parse().map_err(|_| FieldError { pointer: pointer.into(), detail: T::EXPECTED })
}

/// The same, where it may be left out.
pub(crate) fn validate_optional<T: Validated>(pointer: &str, text: Option<&str>) -> Result<Option<T>, FieldError> {
    text.map(|text| validate(pointer, text)).transpose()
}

/// Both, or what is wrong with either.
pub(crate) fn zip_errors<A, B>(one: Result<A, FieldError>, other: Result<B, FieldError>) -> Result<(A, B), Problem> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (one, other) => Err(Problem::unprocessable(one.err().into_iter().chain(other.err()).collect())),
    }
}

/// For a field that may be left out: where it stands, it isn't null, which would leave open what is meant.
pub(crate) fn non_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
