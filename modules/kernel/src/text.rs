//! Texts that are validated when they are parsed.

/// Declares a text type and its parse error. The function returns the normalized text, or `None` if it is invalid. The
/// calling crate depends on `serde`, `sqlx` and `thiserror`.
#[macro_export]
macro_rules! parsed_text {
    (
        $(#[$attr:meta])* $name:ident, $max:tt $unit:ident, $parse:expr;
        $(#[$error_attr:meta])* $error:ident
    ) => {
        $(#[$attr])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, sqlx::Type)]
        #[sqlx(transparent)]
        pub struct $name(String);

        impl $name {
            #[doc = concat!("Maximum length in ", stringify!($unit), ".")]
            pub const MAX_LENGTH: usize = $max;

            /// Returns the text as stored.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        $(#[$error_attr])*
        pub struct $error;

        impl std::str::FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                let parse: fn(&str) -> Option<String> = $parse;
                parse(text).map(Self).ok_or($error)
            }
        }
    };
}

/// Declares a trimmed single-line text of 1 to `MAX_LENGTH` characters, and its error type.
///
/// Control characters are rejected: PostgreSQL can't store NUL, and the others are invisible.
#[macro_export]
macro_rules! bounded_text {
    (
        $(#[$attr:meta])* $name:ident, $max:literal characters;
        $(#[$error_attr:meta])* $error:ident
    ) => {
        $crate::parsed_text! {
            $(#[$attr])* $name, $max characters, |text| {
                let text = text.trim();
                let valid = (1..=$max).contains(&text.chars().count()) && !text.chars().any(char::is_control);
                valid.then(|| text.to_owned())
            };
            $(#[$error_attr])* #[error("must be a single line of 1 to {} characters", $max)] $error
        }
    };
}
