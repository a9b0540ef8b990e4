//! E-mail addresses.

use email_address::{EmailAddress, Options};
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use crate::{Disallowed, find_disallowed, parsed_text};

parsed_text! {
    /// An e-mail address in normalized form: trimmed, in lower case, with the domain in ASCII (A-labels of RFC 5890).
    ///
    /// A deliverable address has at most 254 bytes (RFC 5321, section 4.5.3.1.3, without the angle brackets).
    Email, 254 bytes, normalize => InvalidEmail
}

/// Why a text isn't an e-mail address. The message doesn't contain the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEmail {
    /// The syntax is wrong, or isn't supported.
    #[error(
        "must be an e-mail address such as alice@example.com: ASCII letters, digits and symbols without quotes, comments \
         or a display name, one @ and a full domain, and at most 254 bytes"
    )]
    Syntax,
    /// It contains an invisible character, which could be overlooked.
    #[error("contains {0}; remove control, formatting, invisible and unassigned characters")]
    Character(Disallowed),
}

/// Checks only the syntax, not whether the address exists.
fn normalize(text: &str) -> Result<String, InvalidEmail> {
    let text = text.trim();
    // The mapping of UTS 46 would ignore some of these characters.
    let is_joiner = |c: &char| matches!(c, '\u{200c}' | '\u{200d}');
    if let Some(disallowed) = text.chars().find(is_joiner).map(Disallowed).or_else(|| find_disallowed(text)) {
        return Err(InvalidEmail::Character(disallowed));
    }
    let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmail::Syntax)?;
    let domain = Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Verify)
        .map_err(|_| InvalidEmail::Syntax)?;
    let address = format!("{}@{domain}", local.to_ascii_lowercase());
    let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
    let parsed = EmailAddress::parse_with_options(&address, options).map_err(|_| InvalidEmail::Syntax)?;
    let is_quoted = parsed.local_part().starts_with('"');
    // An IPv4 address consists of labels as well.
    let ends_in_number = domain.rsplit('.').next().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
    let valid = address.is_ascii() && !is_quoted && !ends_in_number && address.len() <= Email::MAX_LENGTH;
    if valid { Ok(address) } else { Err(InvalidEmail::Syntax) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(" Alice@Example.COM ", "alice@example.com")]
    #[case("o'neil+tag_1=x@example.com", "o'neil+tag_1=x@example.com")]
    #[case("a@b.co", "a@b.co")]
    #[case("me@B\u{fc}cher.example", "me@xn--bcher-kva.example")]
    #[case("me@bu\u{308}cher.example", "me@xn--bcher-kva.example")]
    #[case("me@xn--bcher-kva.example", "me@xn--bcher-kva.example")]
    #[case("me@\u{4f8b}\u{3048}\u{3002}jp", "me@xn--r8jz45g.jp")]
    #[case("me@\u{ff45}xample.com", "me@example.com")]
    fn email_is_normalized(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(text.parse::<Email>().map(|email| email.to_string()), Ok(expected.into()));
    }

    #[rstest]
    #[case::empty("")]
    #[case::no_name("@example.com")]
    #[case::no_domain("a@")]
    #[case::two_ats("a@b@example.com")]
    #[case::space("a b@example.com")]
    #[case::dot_first(".a@example.com")]
    #[case::dot_last("a.@example.com")]
    #[case::two_dots("a..b@example.com")]
    #[case::quoted("\"a b\"@example.com")]
    #[case::half_quoted("\"a@example.com")]
    #[case::comment("a(comment)@example.com")]
    #[case::comment_in_domain("a@example.com (comment)")]
    #[case::display_name("Alice <a@example.com>")]
    #[case::angle_brackets("<a@example.com>")]
    #[case::list("a@example.com,b@example.com")]
    #[case::mailto("mailto:a@example.com")]
    #[case::address_literal("a@[127.0.0.1]")]
    #[case::ip_address("a@127.0.0.1")]
    #[case::single_label("a@localhost")]
    #[case::root_dot("a@example.com.")]
    #[case::empty_label("a@example..com")]
    #[case::hyphen_first("a@-example.com")]
    #[case::hyphen_last("a@example-.com")]
    #[case::underscore("a@ex_ample.com")]
    #[case::percent_encoded("a@ex%61mple.com")]
    #[case::port("a@example.com:25")]
    #[case::invalid_punycode("a@xn--zz--.com")]
    #[case::fullwidth_at("a\u{ff20}example.com")]
    #[case::other_script("\u{430}lice@example.com")]
    #[case::fullwidth_name("\u{ff41}lice@example.com")]
    #[case::other_space("a\u{a0}b@example.com")]
    fn invalid_email_is_rejected(#[case] text: &str) {
        assert_eq!(text.parse::<Email>(), Err(InvalidEmail::Syntax), "{text:?}");
    }

    #[rstest]
    #[case("a\nb@example.com", '\n')]
    #[case("a@example\0.com", '\0')]
    #[case("al\u{200b}ice@example.com", '\u{200b}')]
    #[case("alice@exam\u{ad}ple.com", '\u{ad}')]
    #[case("\u{feff}alice@example.com", '\u{feff}')]
    #[case("alice@example\u{200d}.com", '\u{200d}')]
    #[case("alice\u{202e}@example.com", '\u{202e}')]
    fn invisible_character_is_named(#[case] text: &str, #[case] c: char) {
        let error = text.parse::<Email>().unwrap_err();
        assert_eq!(error, InvalidEmail::Character(Disallowed(c)), "{text:?}");
        assert!(!error.to_string().contains(c), "{error:?}");
    }

    #[test]
    fn email_length_is_bounded() {
        let domain = |labels: usize| format!("{}com", format!("{}.", "a".repeat(60)).repeat(labels));
        let name = "n".repeat(64);
        // 64 + 1 + 186 bytes.
        assert!(format!("{name}@{}", domain(3)).parse::<Email>().is_ok());
        for text in [
            format!("{name}n@example.com"),
            format!("{name}@{}", domain(4)),
            format!("a@{}.com", "a".repeat(64)),
            // 63 bytes as typed, more as an A-label.
            format!("a@{}.com", "\u{fc}".repeat(60)),
        ] {
            assert_eq!(text.parse::<Email>(), Err(InvalidEmail::Syntax), "{text}");
        }
    }

    proptest! {
        #[test]
        fn normalized_email_is_stable(text in r"\PC{0,10}@\PC{0,10}(\.com)?") {
            if let Ok(email) = text.parse::<Email>() {
                prop_assert!(email.as_str().bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase()));
                prop_assert_eq!(email.as_str().matches('@').count(), 1);
                prop_assert_eq!(email.as_str().parse::<Email>(), Ok(email.clone()));
            }
        }
    }
}
