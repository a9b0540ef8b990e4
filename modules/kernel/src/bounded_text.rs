//! Single-line display texts.

/// Declares a trimmed single-line text of 1 to `MAX_LENGTH` characters, and its error type. The calling crate depends on
/// `sqlx` and `thiserror`.
///
/// Control characters are rejected: PostgreSQL can't store NUL, and the others are invisible.
#[macro_export]
macro_rules! bounded_text {
    (
        $(#[$doc:meta])* $name:ident, $max:literal characters;
        $(#[$error_doc:meta])* $error:ident
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, sqlx::Type)]
        #[sqlx(transparent)]
        pub struct $name(String);

        impl $name {
            /// Maximum length in characters.
            pub const MAX_LENGTH: usize = $max;

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

        $(#[$error_doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        #[error("must be a single line of 1 to {} characters", $name::MAX_LENGTH)]
        pub struct $error;

        impl std::str::FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                let text = text.trim();
                let valid =
                    (1..=Self::MAX_LENGTH).contains(&text.chars().count()) && !text.chars().any(char::is_control);
                if valid { Ok(Self(text.to_owned())) } else { Err($error) }
            }
        }
    };
}
