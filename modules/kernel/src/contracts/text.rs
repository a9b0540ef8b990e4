//! What people write to be shown to people.

/// Declares a text on one line, and the error of a text that can't be one: 1 to so many characters, trimmed, and without
/// control characters, of which PostgreSQL refuses one (NUL) and people can't see the others.
macro_rules! line {
    (
        $(#[$about:meta])* $name:ident, $most:literal characters;
        $(#[$about_error:meta])* $error:ident
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq, sqlx::Type)]
        #[sqlx(transparent)]
        pub struct $name(String);

        impl $name {
            /// In characters.
            pub const MAX_LENGTH: usize = $most;

            /// The text as stored.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        $(#[$about_error])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        #[error("it takes 1 to {} characters on one line", $name::MAX_LENGTH)]
        pub struct $error;

        impl std::str::FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                let text = text.trim();
                let fits =
                    (1..=Self::MAX_LENGTH).contains(&text.chars().count()) && !text.chars().any(char::is_control);
                if fits { Ok(Self(text.to_owned())) } else { Err($error) }
            }
        }
    };
}
pub(super) use line;

#[cfg(test)]
mod tests {
    use crate::contracts::{InvalidRoleName, RoleName};

    #[test]
    fn a_text_is_one_line_of_so_many_characters() {
        assert_eq!(" Kä fer\n".parse::<RoleName>().map(|name| name.to_string()), Ok("Kä fer".into()));
        assert!("ß".repeat(RoleName::MAX_LENGTH).parse::<RoleName>().is_ok());
        let long = "a".repeat(RoleName::MAX_LENGTH + 1);
        for text in ["", " ", "\n", "a\nb", "a\0b", "a\u{7f}", long.as_str()] {
            assert_eq!(text.parse::<RoleName>(), Err(InvalidRoleName), "{text:?}");
        }
        assert_eq!(InvalidRoleName.to_string(), "it takes 1 to 100 characters on one line");
    }
}
