//! Rules for text that users type, with the data of the Unicode Character Database.
//!
//! | text | stored form | compared form |
//! | --- | --- | --- |
//! | names | NFC, each run of spaces is one ASCII space ([`normalize_name`], after RFC 8266) | role names: [`name_key`] |
//! | passwords | the hash of [`opaque_string`] (RFC 8265) | |
//!
//! [`find_disallowed`] finds what isn't allowed in either.

use std::fmt;

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{
        BinaryProperty, CanonicalCombiningClass, DefaultIgnorableCodePoint, EmojiModifier, EnumeratedProperty,
        ExtendedPictographic, GeneralCategoryGroup, JoiningType, VariationSelector,
    },
};

/// A character that isn't allowed. Displayed by its number, such as `U+202E`, because it may be invisible or change how
/// the message is displayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disallowed(pub char);

impl fmt::Display for Disallowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "U+{:04X}", u32::from(self.0))
    }
}

/// Why a text isn't a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// The text is empty or too long.
    #[error("must be a single line of 1 to {max} characters")]
    Length {
        /// Maximum number of characters.
        max: usize,
    },
    /// [`find_disallowed`] has found a character.
    #[error("contains {0}; remove control, formatting, invisible and unassigned characters")]
    Character(Disallowed),
}

/// Returns the form of a name that is stored.
///
/// Other spaces become ASCII spaces, as in the profile Nickname of RFC 8266. Unlike that profile, the stored form is
/// NFC, so that the name looks as it was typed.
///
/// # Errors
/// [`InvalidName`], if the result hasn't 1 to `max` characters or contains one that isn't allowed.
pub fn normalize_name(text: &str, max: usize) -> Result<String, InvalidName> {
    let words: Vec<_> = text.trim().split(is_space).filter(|word| !word.is_empty()).collect();
    let name = nfc(&words.join(" "));
    if let Some(disallowed) = find_disallowed(&name) {
        return Err(InvalidName::Character(disallowed));
    }
    if (1..=max).contains(&name.chars().count()) { Ok(name) } else { Err(InvalidName::Length { max }) }
}

/// Returns the form in which names are compared: NFKC with full case folding, without invisible characters.
///
/// It is the compatibility caseless match of the Unicode Standard (D147), with the variation selectors and joiners
/// removed that a name may contain.
pub fn name_key(name: &str) -> String {
    let nfkc = ComposingNormalizerBorrowed::new_nfkc();
    let visible: String = name.chars().filter(|c| !has::<DefaultIgnorableCodePoint>(*c)).collect();
    let decomposed = DecomposingNormalizerBorrowed::new_nfd().normalize(&visible).into_owned();
    let folded = caseless::default_case_fold_str(&decomposed);
    let folded = caseless::default_case_fold_str(&nfkc.normalize(&folded));
    nfkc.normalize(&folded).into_owned()
}

/// Returns the form of a password that is hashed: the profile OpaqueString of RFC 8265. Spaces become ASCII spaces, and
/// the text is NFC, because the keyboard determines which of the forms is typed.
///
/// Doesn't reject anything, unlike the profile; [`find_disallowed`] does.
pub fn opaque_string(text: &str) -> String {
    nfc(&text.chars().map(|c| if is_space(c) { ' ' } else { c }).collect::<String>())
}

/// Returns the first character that isn't allowed: a control, formatting, private-use or unassigned character, a line
/// or paragraph separator, or an invisible character.
///
/// Joiners and variation selectors are allowed where they change how their neighbors look, and combining marks after
/// the first character.
pub fn find_disallowed(text: &str) -> Option<Disallowed> {
    let chars: Vec<char> = text.chars().collect();
    let index = (0..chars.len()).find(|index| {
        let (before, rest) = chars.split_at(*index);
        rest.split_first().is_some_and(|(c, after)| !is_allowed(*c, before, after))
    })?;
    chars.get(index).copied().map(Disallowed)
}

/// Characters that are usually displayed as a blank, although they are letters or symbols.
const BLANKS: [char; 6] = [
    '\u{2800}',  // BRAILLE PATTERN BLANK
    '\u{fffc}',  // OBJECT REPLACEMENT CHARACTER
    '\u{13441}', // EGYPTIAN HIEROGLYPH FULL BLANK
    '\u{13442}', // EGYPTIAN HIEROGLYPH HALF BLANK
    '\u{16fe4}', // KHITAN SMALL SCRIPT FILLER
    '\u{1d159}', // MUSICAL SYMBOL NULL NOTEHEAD
];

const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';

fn is_allowed(c: char, before: &[char], after: &[char]) -> bool {
    const DISALLOWED: GeneralCategoryGroup = GeneralCategoryGroup::Other
        .union(GeneralCategoryGroup::LineSeparator)
        .union(GeneralCategoryGroup::ParagraphSeparator);
    if matches!(c, ZERO_WIDTH_JOINER | ZERO_WIDTH_NON_JOINER) {
        return joins(c, before, after);
    }
    if has::<VariationSelector>(c) {
        return before.last().is_some_and(|base| in_category(*base, BASES));
    }
    let ignorable = DISALLOWED.contains(property(c)) || has::<DefaultIgnorableCodePoint>(c) || BLANKS.contains(&c);
    let stray_mark = before.is_empty() && in_category(c, GeneralCategoryGroup::Mark);
    !ignorable && !stray_mark
}

/// Characters that a variation selector can follow.
const BASES: GeneralCategoryGroup = GeneralCategoryGroup::Letter
    .union(GeneralCategoryGroup::Number)
    .union(GeneralCategoryGroup::Punctuation)
    .union(GeneralCategoryGroup::Symbol);

/// Returns whether a joiner has an effect: next to a virama, between letters of a cursive script, or between the parts
/// of an emoji. Similar to the rules CONTEXTJ of RFC 5892, which don't know emoji.
fn joins(joiner: char, before: &[char], after: &[char]) -> bool {
    let (Some(previous), Some(next)) = (before.last(), after.first()) else { return false };
    let is_virama = |c: &char| property::<CanonicalCombiningClass>(*c) == CanonicalCombiningClass::Virama;
    let is_transparent = |c: &&char| property::<JoiningType>(**c) == JoiningType::Transparent;
    let is_cursive = |c: Option<&char>| {
        c.is_some_and(|c| {
            matches!(property(*c), JoiningType::DualJoining | JoiningType::LeftJoining | JoiningType::RightJoining)
        })
    };
    let is_emoji = |c: Option<&char>| c.is_some_and(|c| has::<ExtendedPictographic>(*c));
    let modifies = |c: &&char| has::<EmojiModifier>(**c) || has::<VariationSelector>(**c);
    let cursive = || {
        is_cursive(before.iter().rev().find(|c| !is_transparent(c)))
            && is_cursive(after.iter().find(|c| !is_transparent(c)))
    };
    let emoji =
        || joiner == ZERO_WIDTH_JOINER && is_emoji(before.iter().rev().find(|c| !modifies(c))) && is_emoji(Some(next));
    is_virama(previous) || is_virama(next) || cursive() || emoji()
}

fn nfc(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc().normalize(text).into_owned()
}

fn is_space(c: char) -> bool {
    in_category(c, GeneralCategoryGroup::SpaceSeparator)
}

fn in_category(c: char, group: GeneralCategoryGroup) -> bool {
    group.contains(property(c))
}

fn has<P: BinaryProperty>(c: char) -> bool {
    CodePointSetData::new::<P>().contains(c)
}

fn property<P: EnumeratedProperty>(c: char) -> P {
    CodePointMapData::<P>::new().get(c)
}

#[cfg(test)]
mod tests {
    use icu_properties::props::GeneralCategory;
    use proptest::{collection::vec, prelude::*, sample::select};
    use rstest::rstest;

    use super::*;

    fn name(text: &str) -> Result<String, InvalidName> {
        normalize_name(text, 20)
    }

    #[rstest]
    #[case::composed("Zoe\u{308}", "Zo\u{eb}")]
    #[case::reordered_marks("e\u{301}\u{323}", "\u{1eb9}\u{301}")]
    #[case::spaces(" Acme\u{a0}\u{3000} Corp\u{2003}\n", "Acme Corp")]
    #[case::fullwidth_is_kept("\u{ff41}\u{ff44}", "\u{ff41}\u{ff44}")]
    #[case::right_to_left("\u{5e9}\u{5dc}\u{5d5}\u{5dd}", "\u{5e9}\u{5dc}\u{5d5}\u{5dd}")]
    #[case::ideographic_variation("\u{845b}\u{e0100}\u{57ce}", "\u{845b}\u{e0100}\u{57ce}")]
    #[case::persian("\u{645}\u{6cc}\u{200c}\u{62e}", "\u{645}\u{6cc}\u{200c}\u{62e}")]
    #[case::persian_with_vowel("\u{645}\u{650}\u{200c}\u{62e}", "\u{645}\u{650}\u{200c}\u{62e}")]
    #[case::devanagari("\u{915}\u{94d}\u{200d}\u{937}", "\u{915}\u{94d}\u{200d}\u{937}")]
    #[case::bengali("\u{9b0}\u{200d}\u{9cd}\u{9af}", "\u{9b0}\u{200d}\u{9cd}\u{9af}")]
    #[case::family("\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}", "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}")]
    #[case::astronaut("\u{1f469}\u{1f3fd}\u{200d}\u{1f680}", "\u{1f469}\u{1f3fd}\u{200d}\u{1f680}")]
    #[case::rainbow_flag("\u{1f3f3}\u{fe0f}\u{200d}\u{1f308}", "\u{1f3f3}\u{fe0f}\u{200d}\u{1f308}")]
    #[case::keycap("1\u{fe0f}\u{20e3}", "1\u{fe0f}\u{20e3}")]
    fn name_is_normalized(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(name(text).as_deref(), Ok(expected));
    }

    #[rstest]
    #[case::control("ad\u{7}min", '\u{7}')]
    #[case::line_feed("a\nb", '\n')]
    #[case::next_line("a\u{85}b", '\u{85}')]
    #[case::line_separator("a\u{2028}b", '\u{2028}')]
    #[case::paragraph_separator("a\u{2029}b", '\u{2029}')]
    #[case::zero_width_space("admin\u{200b}", '\u{200b}')]
    #[case::byte_order_mark("\u{feff}admin", '\u{feff}')]
    #[case::word_joiner("ad\u{2060}min", '\u{2060}')]
    #[case::soft_hyphen("ad\u{ad}min", '\u{ad}')]
    #[case::right_to_left_override("\u{202e}nimda", '\u{202e}')]
    #[case::isolate("\u{2066}admin\u{2069}", '\u{2066}')]
    #[case::arabic_letter_mark("\u{61c}admin", '\u{61c}')]
    #[case::tag("\u{1f3f4}\u{e0067}\u{e007f}", '\u{e0067}')]
    #[case::interlinear_annotation("\u{fff9}a", '\u{fff9}')]
    #[case::private_use("\u{e000}", '\u{e000}')]
    #[case::private_use_plane("\u{10fffd}", '\u{10fffd}')]
    #[case::noncharacter("\u{ffff}", '\u{ffff}')]
    #[case::unassigned("\u{378}", '\u{378}')]
    #[case::hangul_filler("\u{3164}", '\u{3164}')]
    #[case::halfwidth_hangul_filler("admin\u{ffa0}", '\u{ffa0}')]
    #[case::grapheme_joiner("a\u{34f}b", '\u{34f}')]
    #[case::braille_blank("\u{2800}", '\u{2800}')]
    #[case::mark_only("\u{301}", '\u{301}')]
    #[case::selector_only("\u{fe0f}", '\u{fe0f}')]
    #[case::two_selectors("\u{2764}\u{fe0f}\u{fe0f}", '\u{fe0f}')]
    #[case::selector_after_space("a \u{fe0f}", '\u{fe0f}')]
    #[case::joiner_only("\u{200d}", '\u{200d}')]
    #[case::joiner_first("\u{200d}\u{1f680}", '\u{200d}')]
    #[case::joiner_last("\u{1f469}\u{200d}", '\u{200d}')]
    #[case::joiner_in_latin("ad\u{200d}min", '\u{200d}')]
    #[case::non_joiner_in_latin("ad\u{200c}min", '\u{200c}')]
    #[case::non_joiner_in_emoji("\u{1f469}\u{200c}\u{1f680}", '\u{200c}')]
    #[case::two_joiners("\u{645}\u{200c}\u{200c}\u{62e}", '\u{200c}')]
    fn disallowed_character_is_named(#[case] text: &str, #[case] c: char) {
        let error = name(text).unwrap_err();
        assert_eq!(error, InvalidName::Character(Disallowed(c)), "{text:?}");
        let message = error.to_string();
        assert!(message.contains(&format!("U+{:04X};", u32::from(c))) && message.is_ascii(), "{message}");
    }

    /// Between letters, where no joiner, selector or mark needs another context.
    #[test]
    fn rejected_categories_are_rejected_everywhere() {
        let rejected = GeneralCategoryGroup::Other
            .union(GeneralCategoryGroup::LineSeparator)
            .union(GeneralCategoryGroup::ParagraphSeparator);
        for c in '\0'..=char::MAX {
            let is_invisible = in_category(c, rejected) || has::<DefaultIgnorableCodePoint>(c) || BLANKS.contains(&c);
            let expected = (is_invisible && !has::<VariationSelector>(c)).then_some(Disallowed(c));
            assert_eq!(find_disallowed(&format!("a{c}b")), expected, "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn name_length_counts_normalized_chars() {
        let too_long = InvalidName::Length { max: 20 };
        assert!(name(&"e\u{301}".repeat(20)).is_ok());
        for text in ["", " ", "\u{3000}\u{a0}", "\n", &"e\u{301}".repeat(21)] {
            assert_eq!(name(text), Err(too_long), "{text:?}");
        }
    }

    /// Any characters, and more often those that the rules are about.
    fn text() -> impl Strategy<Value = String> {
        let special = "aA1 \u{e9}\u{301}\u{323}\u{200b}\u{200c}\u{200d}\u{202e}\u{2028}\u{fe0f}\u{94d}\u{915}\u{645}\u{650}\
            \u{a0}\u{3000}\u{ff21}\u{fb03}\u{fdfa}\u{1f469}\u{1f3fd}\u{1100}\u{1161}\u{3164}\u{345}\u{df}\u{130}";
        let special = select(special.chars().collect::<Vec<_>>());
        vec(prop_oneof![any::<char>(), special], 0..12).prop_map(String::from_iter)
    }

    /// Letters with case or compatibility variants, and marks. All of them are older than Unicode 16, the version of the
    /// case folding data.
    fn letters() -> impl Strategy<Value = String> {
        let letters = "aAkK\u{212a}sS\u{17f}\u{df}\u{1e9e}fi\u{fb01}\u{3c3}\u{3c2}\u{3a3}\u{3b1}\u{1fb3}\u{399}\u{345}\u{301}\
            \u{323}\u{ff41}\u{ff21}\u{c5}\u{212b}\u{30a}\u{130}\u{131}\u{307}\u{1c4}\u{1c5}\u{a8}\u{2460}1";
        vec(select(letters.chars().collect::<Vec<_>>()), 0..4).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn accepted_name_is_stable_and_visible(text in text()) {
            if let Ok(accepted) = name(&text) {
                prop_assert_eq!(name(&accepted), Ok(accepted.clone()));
                for c in accepted.chars() {
                    let category: GeneralCategory = property(c);
                    let is_joiner = matches!(c, ZERO_WIDTH_JOINER | ZERO_WIDTH_NON_JOINER);
                    let is_invisible = GeneralCategoryGroup::Other.contains(category) || has::<DefaultIgnorableCodePoint>(c);
                    prop_assert!(!is_invisible || is_joiner || has::<VariationSelector>(c), "{:?}", accepted);
                    prop_assert!(c == ' ' || !GeneralCategoryGroup::Separator.contains(category), "{:?}", accepted);
                }
                prop_assert!(accepted.chars().next().is_some_and(|c| !is_space(c) && !has::<DefaultIgnorableCodePoint>(c)));
            }
        }

        #[test]
        fn name_key_is_idempotent(text in text()) {
            let key = name_key(&text);
            prop_assert_eq!(name_key(&key), key.clone());
            prop_assert!(ComposingNormalizerBorrowed::new_nfkc().is_normalized(&key), "{:?}", key);
            prop_assert_eq!(key.to_ascii_lowercase(), key.clone());
            prop_assert_eq!(name_key(&nfc(&text)), key);
        }

        #[test]
        fn keys_are_equal_if_names_match_caselessly(a in letters(), b in letters()) {
            let same = caseless::compatibility_caseless_match_str(&a, &b);
            prop_assert_eq!(name_key(&a) == name_key(&b), same, "{:?} {:?}", a, b);
            prop_assert_eq!(name_key(&a.to_lowercase()), name_key(&a));
        }

        #[test]
        fn password_normalization_is_idempotent(text in text()) {
            let password = opaque_string(&text);
            prop_assert_eq!(opaque_string(&password), password.clone());
            prop_assert!(password.chars().all(|c| c == ' ' || !is_space(c)), "{:?}", password);
        }
    }
}
