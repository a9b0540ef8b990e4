//! Slugs that nobody chose.

use std::iter;

use kernel::contracts::{TenantId, TenantName, TenantSlug};

/// How many characters of an id make an ending, and the hyphen before them.
const ENDING: usize = 6;
/// What is left of a slug beside an ending.
const BEGINNING: usize = TenantSlug::MAX_LENGTH - ENDING - 1;

/// What a tenant of this name may be called in addresses: its letters a-z and digits, where they make a slug; and then,
/// without an end, the same with a short ending by chance.
pub(crate) fn slugs_for(name: &TenantName) -> impl Iterator<Item = TenantSlug> + Send {
    let beginning = beginning(name.as_str());
    let plain = beginning.parse().ok();
    let beginning = if beginning.is_empty() { "tenant".into() } else { beginning };
    let with_ending = iter::repeat_with(move || format!("{beginning}-{}", ending()).parse().ok());
    plain.into_iter().chain(with_ending.flatten())
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

    fn first(name: &str) -> String {
        slugs_for(&name.parse().unwrap()).next().unwrap().to_string()
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
            assert_eq!(first(name), slug, "{name}");
        }
        let long = first(&"ab ".repeat(66));
        assert!(long.len() <= BEGINNING && long.starts_with("ab-ab-") && long.ends_with('b'), "{long}");
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
            let slug = first(name);
            assert!(slug.starts_with(beginning) && slug.len() == beginning.len() + ENDING, "{name}: {slug}");
        }
    }

    #[test]
    fn the_next_choices_differ() {
        let slugs: Vec<String> = slugs_for(&"Acme".parse().unwrap()).take(4).map(|slug| slug.to_string()).collect();
        for (index, slug) in slugs.iter().enumerate() {
            assert!(index == 0 || slug.starts_with("acme-"), "{slug}");
            assert!(!slugs[..index].contains(slug), "{slug}");
        }
    }
}
