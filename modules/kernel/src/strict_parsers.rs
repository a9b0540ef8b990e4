//! Parsers that accept one text for each value. The parsers of the standard library and of `uuid` accept several, such
//! as `+5` and `05`, so that two texts that differ mean the same.

use std::{fmt::Display, str::FromStr};

use uuid::Uuid;

/// Parses an integer in decimal notation, without a plus sign or leading zeros.
pub fn parse_integer<T: FromStr + Display>(text: &str) -> Option<T> {
    text.parse().ok().filter(|number: &T| number.to_string() == text)
}

/// The text isn't a UUID in the hyphenated form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a UUID with hyphens, such as 019a0000-0000-7000-8000-00000000acee")]
pub struct InvalidUuid;

/// Parses a UUID in the hyphenated form with 36 characters (RFC 9562, section 4). Letters may be in upper case.
///
/// # Errors
/// The text isn't such a UUID. The forms without hyphens, in braces and with `urn:uuid:` are rejected.
pub fn parse_uuid(text: &str) -> Result<Uuid, InvalidUuid> {
    const HYPHENATED_LENGTH: usize = 36;
    if text.len() != HYPHENATED_LENGTH {
        return Err(InvalidUuid);
    }
    text.parse().map_err(|_| InvalidUuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_integer_is_parsed() {
        assert_eq!(parse_integer("0"), Some(0_u16));
        assert_eq!(parse_integer("8080"), Some(8080_u16));
        assert_eq!(parse_integer("-5"), Some(-5_i64));
        for text in ["", "+5", "05", "00", "-0", " 5", "5 ", "8080.0", "8e1", "0x10", "1_000", "٥", "65536", "-1"] {
            assert_eq!(parse_integer::<u16>(text), None, "{text:?}");
        }
    }

    #[test]
    fn only_hyphenated_uuid_is_accepted() {
        const ID: &str = "019a0000-0000-7000-8000-00000000acee";
        assert_eq!(parse_uuid(ID).map(|id| id.to_string()).as_deref(), Ok(ID));
        assert_eq!(parse_uuid(&ID.to_uppercase()), parse_uuid(ID));
        let simple = ID.replace('-', "");
        for text in [
            simple.clone(),
            format!("{{{ID}}}"),
            format!("urn:uuid:{ID}"),
            format!("{simple}0000"),
            format!("{{{simple}}}00"),
            format!(" {ID}"),
            ID.replace('9', "g"),
            ID.replacen('-', "", 1) + "-",
            String::new(),
        ] {
            assert_eq!(parse_uuid(&text), Err(InvalidUuid), "{text:?}");
        }
    }
}
