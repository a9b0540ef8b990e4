//! Slugs that nobody chose.

use std::iter;

use kernel::contracts::{TenantId, TenantName, TenantSlug};

/// How many characters of an id make an ending, and the hyphen before them.
const ENDING: usize = 6;
/// What is left of a slug beside an ending.
const BEGINNING: usize = TenantSlug::MAX_LENGTH - ENDING - 1;
/// How many choices have an ending. With 24 bits of chance in each, the last is never needed.
const WITH_ENDING: usize = 4;

/// What a tenant of this name may be called in addresses: its letters a-z and digits, where they make a slug; and then
/// the same with a short ending by chance, some times over.
pub(crate) fn slugs_for(name: &TenantName) -> impl Iterator<Item = TenantSlug> + Send {
    let beginning = beginning(name.as_str());
    let plain = beginning.parse().ok();
    let beginning = if beginning.is_empty() { "tenant".into() } else { beginning };
    let with_ending = iter::repeat_with(move || format!("{beginning}-{}", ending()).parse().ok());
    plain.into_iter().chain(with_ending.take(WITH_ENDING).flatten())
}

fn beginning(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    // All of it is ASCII.
    slug.truncate(BEGINNING);
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

/// The last bits of a UUIDv7 are chance.
fn ending() -> String {
    let id = TenantId::new().as_uuid().simple().to_string();
    id[id.len() - ENDING..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(name: &str) -> Vec<String> {
        slugs_for(&name.parse().unwrap()).map(|slug| slug.to_string()).collect()
    }

    #[test]
    fn a_name_that_makes_a_slug_is_the_first_choice() {
        for (name, slug) in [
            ("Acme", "acme"),
            ("Acme Corp", "acme-corp"),
            ("  --Smith & Sons, Ltd.  ", "smith-sons-ltd"),
            ("Ärzte ohne Grenzen", "rzte-ohne-grenzen"),
            ("42 is enough", "42-is-enough"),
        ] {
            assert_eq!(choices(name)[0], slug, "{name}");
        }
    }

    #[test]
    fn a_long_name_leaves_room_for_an_ending() {
        for (name, slug) in [("a".repeat(200), "a".repeat(56)), ("ab ".repeat(66), "ab-".repeat(18) + "ab")] {
            let choices = choices(&name);
            assert_eq!(choices[0], slug);
            assert!(choices[1].starts_with(&slug) && choices[1].len() == TenantSlug::MAX_LENGTH, "{choices:?}");
        }
    }

    #[test]
    fn a_name_that_makes_none_gets_an_ending() {
        for (name, beginning) in [
            ("X", "x-"),
            ("API", "api-"),
            ("日本", "tenant-"),
            ("!", "tenant-"),
            ("019a0000-0000-7000-8000-00000000acee", "019a0000-0000-7000-8000-00000000acee-"),
            ("019a00000000-70008000-00000000acee", "019a00000000-70008000-00000000acee-"),
        ] {
            let slug = &choices(name)[0];
            assert!(slug.starts_with(beginning) && slug.len() == beginning.len() + ENDING, "{name}: {slug}");
        }
    }

    #[test]
    fn the_next_choices_differ() {
        let slugs = choices("Acme");
        assert_eq!(slugs.len(), 1 + WITH_ENDING);
        for (index, slug) in slugs.iter().enumerate() {
            assert!(index == 0 || slug.starts_with("acme-"), "{slug}");
            assert!(!slugs[..index].contains(slug), "{slug}");
        }
    }
}
