//! What people write to be shown to people.

/// The text as stored where it is one line of 1 to `most` characters: trimmed, and without control characters, of which
/// PostgreSQL refuses one (NUL) and people can't see the others.
pub(super) fn line(text: &str, most: usize) -> Option<String> {
    let text = text.trim();
    let fits = (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}
