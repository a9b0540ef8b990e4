//! The names of the module and its entity.

/// The module and its table have a plural name, such as `notes`; the entity has the singular, `note`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    plural: String,
    singular: String,
}

/// Why a name is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidName {
    #[error("invalid name `{0}`: use one word of 3 to 30 letters a-z")]
    Characters(String),
    #[error("cannot derive the singular of `{0}`: add it after the name, as in: just new-module children child")]
    UnknownSingular(String),
    #[error("singular and plural are the same: use two different words, as in: just new-module notes note")]
    SingularEqualsPlural,
    #[error("`{0}` is reserved in Rust or SQL: choose another name")]
    Reserved(String),
}

/// Strict and reserved keywords of Rust with at least three letters (The Rust Reference, "Keywords"), and plurals that
/// PostgreSQL rejects as table names (PostgreSQL manual, appendix C).
const RESERVED: &str = "abstract async await become box break const continue crate dyn else enum extern false final for gen \
    impl let loop macro match mod move mut override priv pub ref return self static struct super trait true try type typeof \
    unsafe unsized use virtual where while yield references values columns tables views schemas";

impl Name {
    /// Parses the plural, and the singular or a guess of it.
    pub(crate) fn parse(plural: &str, singular: Option<&str>) -> Result<Self, InvalidName> {
        let singular = match singular {
            Some(singular) => singular.to_owned(),
            None => guess_singular(plural).ok_or_else(|| InvalidName::UnknownSingular(plural.into()))?,
        };
        for word in [plural, &singular] {
            if !(3..=30).contains(&word.len()) || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
                return Err(InvalidName::Characters(word.into()));
            }
            if RESERVED.split(' ').any(|reserved| reserved == word) {
                return Err(InvalidName::Reserved(word.into()));
            }
        }
        if plural == singular {
            Err(InvalidName::SingularEqualsPlural)
        } else {
            Ok(Self { plural: plural.into(), singular })
        }
    }

    /// Returns the name of the module, its crate and its table.
    pub(crate) fn plural(&self) -> &str {
        &self.plural
    }

    /// Replaces the placeholders in a template.
    pub(crate) fn fill(&self, template: &str, migration: u32) -> String {
        // The last twelve digits of the demo ids: the first five letters of the name, and a number for the tenant.
        let digits: String = self.plural.bytes().chain([0; 5]).take(5).map(|byte| format!("{byte:02x}")).collect();
        template
            .replace("gadgets", &self.plural)
            .replace("Gadgets", &capitalize(&self.plural))
            .replace("gadget", &self.singular)
            .replace("Gadget", &capitalize(&self.singular))
            .replace("@NUMBER@", &format!("{migration:04}"))
            .replace("@ACME@", &format!("{digits}01"))
            .replace("@GLOBEX@", &format!("{digits}02"))
    }

    /// Returns whether the module, its types or its routes would have this name.
    pub(crate) fn is_public_item_name(&self, word: &str) -> bool {
        word == self.plural || [&self.plural, &self.singular].iter().any(|name| capitalize(name) == word)
    }

    /// Returns whether any item in the module would have this name.
    pub(crate) fn is_item_name(&self, word: &str) -> bool {
        word == self.singular || self.is_public_item_name(word)
    }
}

fn capitalize(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_ascii_uppercase() + rest
}

/// Guesses the singular by the regular English rules.
fn guess_singular(plural: &str) -> Option<String> {
    let stem = |ending: &str| plural.strip_suffix(ending).map(str::to_owned);
    if let Some(stem) = stem("ies") {
        return Some(stem + "y");
    }
    let es_endings = ["sses", "shes", "ches", "xes", "zes"];
    if es_endings.iter().any(|ending| plural.ends_with(ending)) {
        return stem("es");
    }
    stem("s").filter(|singular| !singular.ends_with('s'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn singular_of(plural: &str) -> Option<String> {
        Name::parse(plural, None).ok().map(|name| name.singular)
    }

    #[test]
    fn singularizes_regular_plurals() {
        for (plural, singular) in [("notes", "note"), ("companies", "company"), ("addresses", "address"), ("boxen", "")]
        {
            assert_eq!(singular_of(plural), (!singular.is_empty()).then(|| singular.into()), "{plural}");
        }
        assert_eq!(Name::parse("people", Some("person")).map(|name| name.singular), Ok("person".into()));
        assert_eq!(Name::parse("people", None), Err(InvalidName::UnknownSingular("people".into())));
        assert_eq!(Name::parse("sheep", Some("sheep")), Err(InvalidName::SingularEqualsPlural));
    }

    #[test]
    fn invalid_identifier_is_rejected() {
        for plural in
            ["Notes", "no-tes", "no_tes", "nötes", "../notes", "n0tes", "as", "notes ", &("a".repeat(30) + "s")]
        {
            assert_eq!(Name::parse(plural, Some("note")), Err(InvalidName::Characters(plural.into())));
        }
        for (plural, word) in [("types", "type"), ("references", "references"), ("matches", "match")] {
            assert_eq!(Name::parse(plural, None), Err(InvalidName::Reserved(word.into())));
        }
    }

    #[test]
    fn template_placeholders_are_replaced() {
        let name = Name::parse("companies", None).unwrap();
        let filled = name.fill("GadgetsModule, Gadget, gadgets, gadget:read; @NUMBER@ @ACME@ @GLOBEX@", 13);
        let expected = "CompaniesModule, Company, companies, company:read; 0013 636f6d706101 636f6d706102";
        assert_eq!(filled, expected);
    }
}
