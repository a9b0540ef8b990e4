//! Texts that are validated when they are parsed.

/// Declares a text type. The function returns the normalized text, or the error that the type has in `FromStr`. The
/// calling crate depends on `serde` and `sqlx`.
#[macro_export]
macro_rules! parsed_text {
    ($(#[$attr:meta])* $name:ident, $max:tt $unit:ident, $parse:expr => $error:ty) => {
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

        impl $crate::AuditValue for $name {
            fn to_json(&self) -> $crate::serde_json::Value {
                $crate::serde_json::Value::from(self.0.as_str())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                let parse: fn(&str) -> Result<String, $error> = $parse;
                parse(text).map(Self)
            }
        }
    };
}

/// Declares a name of 1 to `MAX_LENGTH` characters that [`normalize_name`](crate::normalize_name) accepts.
#[macro_export]
macro_rules! bounded_text {
    ($(#[$attr:meta])* $name:ident, $max:literal characters) => {
        $crate::parsed_text! {
            $(#[$attr])* $name, $max characters, |text| $crate::normalize_name(text, $max) => $crate::InvalidName
        }
    };
}
