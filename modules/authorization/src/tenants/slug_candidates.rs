//! Generated slugs for tenants that are created without one.

use std::iter;

use authorization_api::TenantName;
use kernel::{TenantId, TenantSlug};

/// Number of hexadecimal digits in a random suffix. A hyphen precedes it.
const SUFFIX_LENGTH: usize = 6;
/// Maximum length of a slug without the suffix and its hyphen.
const MAX_PREFIX_LENGTH: usize = TenantSlug::MAX_LENGTH - SUFFIX_LENGTH - 1;
/// Number of candidates with a suffix. Each has 24 random bits, so in practice the last one is never needed.
const SUFFIXED_CANDIDATES: usize = 4;

/// Returns slugs to try for a tenant with this name. The first consists of the ASCII letters and digits of the name, if
/// they form a valid slug. The others have a random suffix.
pub(crate) fn slug_candidates(name: &TenantName) -> impl Iterator<Item = TenantSlug> + Send {
    let prefix = slug_prefix(name.as_str());
    let plain = prefix.parse().ok();
    let prefix = if prefix.is_empty() { "tenant".into() } else { prefix };
    let suffixed = iter::repeat_with(move || format!("{prefix}-{}", random_suffix()).parse().ok());
    plain.into_iter().chain(suffixed.take(SUFFIXED_CANDIDATES).flatten())
}

fn slug_prefix(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    // The slug is ASCII, so truncation can't split a character.
    slug.truncate(MAX_PREFIX_LENGTH);
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

/// Uses the last bits of a UUIDv7, which are random.
fn random_suffix() -> String {
    let id = TenantId::new().as_uuid().simple().to_string();
    id[id.len() - SUFFIX_LENGTH..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(name: &str) -> Vec<String> {
        slug_candidates(&name.parse().unwrap()).map(|slug| slug.to_string()).collect()
    }

    #[test]
    fn slug_is_derived_from_name() {
        for (name, slug) in [
            ("Acme", "acme"),
            ("Acme Corp", "acme-corp"),
            ("  --Smith & Sons, Ltd.  ", "smith-sons-ltd"),
            ("Ärzte ohne Grenzen", "rzte-ohne-grenzen"),
            ("42 is enough", "42-is-enough"),
        ] {
            assert_eq!(candidates(name)[0], slug, "{name}");
        }
    }

    #[test]
    fn long_slug_is_truncated_for_suffix() {
        for (name, slug) in [("a".repeat(200), "a".repeat(56)), ("ab ".repeat(66), "ab-".repeat(18) + "ab")] {
            let candidates = candidates(&name);
            assert_eq!(candidates[0], slug);
            assert!(
                candidates[1].starts_with(&slug) && candidates[1].len() == TenantSlug::MAX_LENGTH,
                "{candidates:?}"
            );
        }
    }

    #[test]
    fn unsluggable_name_gets_random_suffix() {
        for (name, prefix) in [
            ("X", "x-"),
            ("API", "api-"),
            ("日本", "tenant-"),
            ("!", "tenant-"),
            ("019a0000-0000-7000-8000-00000000acee", "019a0000-0000-7000-8000-00000000acee-"),
            ("019a00000000-70008000-00000000acee", "019a00000000-70008000-00000000acee-"),
        ] {
            let slug = &candidates(name)[0];
            assert!(slug.starts_with(prefix) && slug.len() == prefix.len() + SUFFIX_LENGTH, "{name}: {slug}");
        }
    }

    #[test]
    fn candidates_are_distinct() {
        let slugs = candidates("Acme");
        assert_eq!(slugs.len(), 1 + SUFFIXED_CANDIDATES);
        for (index, slug) in slugs.iter().enumerate() {
            assert!(index == 0 || slug.starts_with("acme-"), "{slug}");
            assert!(!slugs[..index].contains(slug), "{slug}");
        }
    }
}
