//! Tenant slugs, and references to tenants by slug or id.

use std::{fmt, str::FromStr};

use crate::{TenantId, parsed_text};

parsed_text! {
    /// A tenant's name in URLs: 3 to 63 of `a`–`z`, `0`–`9` and single inner hyphens. Never shaped like a UUID, never a
    /// reserved word.
    TenantSlug, 63 characters, validate => InvalidSlug
}

/// The text isn't a valid tenant slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a slug has 3 to 63 letters a-z, digits and single inner hyphens, and is neither a UUID nor a reserved word")]
pub struct InvalidSlug;

impl TenantSlug {
    /// Words reserved for the product's own URLs. A CHECK of the table has the same list.
    pub const RESERVED: [&str; 15] = [
        "admin", "api", "app", "auth", "docs", "health", "help", "login", "mail", "static", "status", "support",
        "system", "tenantry", "www",
    ];
}

fn validate(text: &str) -> Result<String, InvalidSlug> {
    let chars_ok = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let misplaced_hyphens = text.starts_with('-') || text.ends_with('-') || text.contains("--");
    let reserved = is_uuid_shaped(text) || TenantSlug::RESERVED.contains(&text);
    let length_ok = (3..=TenantSlug::MAX_LENGTH).contains(&text.len());
    if chars_ok && !misplaced_hyphens && !reserved && length_ok { Ok(text.into()) } else { Err(InvalidSlug) }
}

/// Matches the CHECK of the table, which also rejects UUIDs with some of the hyphens missing.
fn is_uuid_shaped(text: &str) -> bool {
    let mut rest = text;
    for digits in [8, 4, 4, 4, 12] {
        let Some((group, after)) = rest.split_at_checked(digits) else { return false };
        if !group.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return false;
        }
        rest = after.strip_prefix('-').unwrap_or(after);
    }
    rest.is_empty()
}

/// A reference to a tenant. It is unambiguous, since a slug is never shaped like a UUID.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TenantRef {
    /// By id.
    Id(TenantId),
    /// By slug.
    Slug(TenantSlug),
}

impl fmt::Display for TenantRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Slug(slug) => slug.fmt(f),
        }
    }
}

impl FromStr for TenantRef {
    type Err = InvalidSlug;

    fn from_str(text: &str) -> Result<Self, InvalidSlug> {
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => text.to_ascii_lowercase().parse().map(Self::Slug),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenant_ref_parses_id_or_slug() {
        let id = TenantId::new();
        assert_eq!(id.to_string().parse(), Ok(TenantRef::Id(id)));
        assert!(matches!("Acme".parse(), Ok(TenantRef::Slug(slug)) if slug.as_str() == "acme"));
    }

    #[test]
    fn invalid_slug_is_rejected() {
        let long = "a".repeat(64);
        for text in ["", "ab", "-abc", "abc-", "a--b", "a_b", "ä-b-c", "a b c", "a/b/c", "api", long.as_str()] {
            assert_eq!(text.parse::<TenantSlug>(), Err(InvalidSlug), "{text:?}");
        }
    }

    /// Two slugs that look the same are the same.
    #[test]
    fn confusable_slug_is_rejected() {
        let invisible =
            ["ac\u{200b}me", "acme\u{200d}", "\u{feff}acme", "ac\u{ad}me", "acme\u{202e}", "acme\n", "acme\0"];
        let similar =
            ["\u{430}cme", "\u{ff41}cme", "acm\u{e9}", "acme\u{301}", "ac\u{2010}me", "acme\u{660}", "\u{212a}acme"];
        for text in invisible.into_iter().chain(similar) {
            assert_eq!(text.parse::<TenantSlug>(), Err(InvalidSlug), "{text:?}");
            assert_eq!(text.parse::<TenantRef>(), Err(InvalidSlug), "{text:?}");
        }
    }

    #[test]
    fn uuid_like_slug_is_rejected() {
        for text in [
            "019a0000-0000-7000-8000-00000000acee",
            "019a000000007000800000000000acee",
            "019a00000000-70008000-00000000acee",
        ] {
            assert_eq!(text.parse::<TenantSlug>(), Err(InvalidSlug), "{text:?}");
        }
        for text in ["019a0000-0000-7000-8000-00000000acex", "019a0000-0000-7000-8000-00000000acee-2", "019a-0000"] {
            assert!(text.parse::<TenantSlug>().is_ok(), "{text:?}");
        }
    }
}
