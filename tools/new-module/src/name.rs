//! What the module and its things are called.

/// The module is called as its table is, in the plural: `notes`. One of its things is a `note`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    many: String,
    one: String,
}

/// What can't be a module's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidName {
    #[error("`{0}` can't be a name: it takes one word of 3 to 30 letters a-z")]
    Letters(String),
    #[error("what is one of the {0}? Say it behind the name, as in: just new-module children child")]
    Singular(String),
    #[error("the module's name is the plural, as in: just new-module notes note")]
    Same,
    #[error("`{0}` is a word of Rust or SQL: take another one")]
    Reserved(String),
}

/// Rust's keywords, strict and reserved (The Rust Reference, "Keywords"), that have three letters or more, and what
/// PostgreSQL doesn't take as a table's name (its manual, appendix C) and might be a plural.
const RESERVED: &[&str] = &[
    "abstract",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "crate",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "for",
    "gen",
    "impl",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "struct",
    "super",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    "references",
    "values",
    "columns",
    "tables",
    "views",
    "schemas",
];

impl Name {
    /// # Errors
    /// [`InvalidName`]
    pub(crate) fn parse(many: &str, one: Option<&str>) -> Result<Self, InvalidName> {
        let one = match one {
            Some(one) => one.to_owned(),
            None => singular(many).ok_or_else(|| InvalidName::Singular(many.into()))?,
        };
        for word in [many, &one] {
            if !(3..=30).contains(&word.len()) || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
                return Err(InvalidName::Letters(word.into()));
            }
            if RESERVED.contains(&word) {
                return Err(InvalidName::Reserved(word.into()));
            }
        }
        if many == one { Err(InvalidName::Same) } else { Ok(Self { many: many.into(), one }) }
    }

    /// The module, its crate and its table.
    pub(crate) fn many(&self) -> &str {
        &self.many
    }

    /// The text of a template, about this.
    pub(crate) fn fill(&self, template: &str, migration: u32) -> String {
        let letter = self.many.chars().find(|letter| *letter != 's').unwrap_or('x');
        // The last twelve digits of the demo's ids: the name's first five letters, and whose it is.
        let digits: String = self.many.bytes().chain([0; 5]).take(5).map(|byte| format!("{byte:02x}")).collect();
        template
            .replace("gadgets", &self.many)
            .replace("Gadgets", &capitalised(&self.many))
            .replace("gadget", &self.one)
            .replace("Gadget", &capitalised(&self.one))
            .replace("@G@", &letter.to_string())
            .replace("@PAD@", &" ".repeat(20_usize.saturating_sub(self.many.len()).max(1)))
            .replace("@NUMBER@", &format!("{migration:04}"))
            .replace("@ACME@", &format!("{digits}01"))
            .replace("@GLOBEX@", &format!("{digits}02"))
    }

    /// Whether the module, its types or its routes would be called by this word.
    pub(crate) fn is_public(&self, word: &str) -> bool {
        word == self.many || [&self.many, &self.one].iter().any(|name| capitalised(name) == word)
    }

    /// Whether anything in the module would be.
    pub(crate) fn is(&self, word: &str) -> bool {
        word == self.one || self.is_public(word)
    }
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_ascii_uppercase() + rest
}

/// One of these, as English mostly has it. `None`: there is no telling.
fn singular(many: &str) -> Option<String> {
    let stem = |ending: &str| many.strip_suffix(ending).map(str::to_owned);
    if let Some(stem) = stem("ies") {
        return Some(stem + "y");
    }
    let long = ["sses", "shes", "ches", "xes", "zes"];
    if long.iter().any(|ending| many.ends_with(ending)) {
        return stem("es");
    }
    stem("s").filter(|one| !one.ends_with('s'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_of(many: &str) -> Option<String> {
        Name::parse(many, None).ok().map(|name| name.one)
    }

    #[test]
    fn one_is_known_from_many_where_english_is_regular() {
        for (many, one) in [("notes", "note"), ("companies", "company"), ("addresses", "address"), ("boxen", "")] {
            assert_eq!(one_of(many), (!one.is_empty()).then(|| one.into()), "{many}");
        }
        assert_eq!(Name::parse("people", Some("person")).map(|name| name.one), Ok("person".into()));
        assert_eq!(Name::parse("people", None), Err(InvalidName::Singular("people".into())));
        assert_eq!(Name::parse("sheep", Some("sheep")), Err(InvalidName::Same));
    }

    #[test]
    fn what_is_no_word_or_a_keyword_is_refused() {
        for many in ["Notes", "no-tes", "no_tes", "nötes", "../notes", "n0tes", "as", "notes ", &("a".repeat(30) + "s")]
        {
            assert_eq!(Name::parse(many, Some("note")), Err(InvalidName::Letters(many.into())));
        }
        for (many, word) in [("types", "type"), ("references", "references"), ("matches", "match")] {
            assert_eq!(Name::parse(many, None), Err(InvalidName::Reserved(word.into())));
        }
    }

    #[test]
    fn a_template_speaks_of_what_it_is_filled_with() {
        let name = Name::parse("companies", None).unwrap();
        let filled = name.fill("GadgetsModule, Gadget, gadgets, gadget:read; @G@.id; @NUMBER@ @ACME@ @GLOBEX@", 13);
        let expected = "CompaniesModule, Company, companies, company:read; c.id; 0013 636f6d706101 636f6d706102";
        assert_eq!(filled, expected);
        assert_eq!(Name::parse("ssns", Some("ssn")).unwrap().fill("@G@", 1), "n");
    }
}
