//! E-mail addresses.

use crate::parsed_text;

parsed_text! {
    /// An e-mail address in normalized form: trimmed and in lower case.
    ///
    /// A deliverable address has at most 254 bytes (RFC 5321, section 4.5.3.1.3, without the angle brackets).
    Email, 254 bytes, normalize;
    /// The text isn't an e-mail address. The message doesn't contain the text.
    #[error("an e-mail address has a name, one @ and a domain, and at most 254 bytes")]
    InvalidEmail
}

/// Checks only the syntax, not whether the address exists.
fn normalize(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let (name, domain) = text.split_once('@')?;
    let parts_ok = !name.is_empty() && !domain.is_empty() && !domain.contains('@');
    let chars_ok = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    (parts_ok && chars_ok && text.len() <= Email::MAX_LENGTH).then_some(text)
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
