//! E-mail addresses.

use std::{fmt, str::FromStr};

/// An e-mail address in normalized form: trimmed and in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct Email(String);

impl Email {
    /// Maximum length of a deliverable address in bytes (RFC 5321, section 4.5.3.1.3, without the angle brackets).
    pub const MAX_LENGTH: usize = 254;

    /// The address as stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text isn't an e-mail address. The message doesn't contain the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an e-mail address has a name, one @ and a domain, and at most 254 bytes")]
pub struct InvalidEmail;

impl FromStr for Email {
    type Err = InvalidEmail;

    /// Checks only the syntax, not whether the address exists.
    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim().to_lowercase();
        let (name, domain) = text.split_once('@').ok_or(InvalidEmail)?;
        let parts_ok = !name.is_empty() && !domain.is_empty() && !domain.contains('@');
        let chars_ok = !text.chars().any(|c| c.is_whitespace() || c.is_control());
        if parts_ok && chars_ok && text.len() <= Self::MAX_LENGTH { Ok(Self(text)) } else { Err(InvalidEmail) }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn email_is_normalized() {
        assert_eq!(" Alice@Example.COM ".parse::<Email>().map(|e| e.to_string()), Ok("alice@example.com".into()));
    }

    #[test]
    fn invalid_email_is_rejected() {
        let long = format!("{}@example.com", "a".repeat(250));
        for text in ["", "@", "a@", "@b", "a@b@c", "a b@c", "a@b\n.c", long.as_str()] {
            assert_eq!(text.parse::<Email>(), Err(InvalidEmail), "{text:?}");
        }
    }
}
