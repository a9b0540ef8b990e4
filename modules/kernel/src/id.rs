//! Typed ids: UUIDv7 (RFC 9562, section 5.7) in a newtype each, so that ids of different entities can't be mixed up.

/// Declares an id type: a UUIDv7 that is transparent to serde and sqlx. Only its hyphenated form is parsed. The calling
/// crate depends on `serde`, `sqlx` and `uuid`.
#[macro_export]
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(uuid::Uuid);

        impl $name {
            /// Creates an id. Ids sort by time of creation, to the millisecond.
            #[expect(clippy::new_without_default, reason = "`Default` would return a different id each time")]
            pub fn new() -> Self {
                Self(uuid::Uuid::now_v7())
            }

            /// Wraps an existing id.
            pub const fn from_uuid(uuid: uuid::Uuid) -> Self {
                Self(uuid)
            }

            /// Returns the UUID, for query arguments and response bodies.
            pub const fn as_uuid(self) -> uuid::Uuid {
                self.0
            }
        }

        impl $crate::AuditValue for $name {
            fn to_json(&self) -> $crate::serde_json::Value {
                $crate::serde_json::Value::from(self.0.to_string())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::InvalidUuid;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::parse_uuid(text).map(Self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id! {
    /// A user.
    UserId
}

id! {
    /// A tenant: a customer whose data is isolated from that of all others.
    TenantId
}

id! {
    /// A role in a tenant.
    RoleId
}

id! {
    /// A policy.
    PolicyId
}

#[cfg(test)]
mod tests {
    use super::UserId;

    #[test]
    fn id_is_uuid_v7_and_round_trips() {
        let id = UserId::new();
        assert_eq!(id.as_uuid().get_version_num(), 7);
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn invalid_uuid_is_rejected() {
        for text in ["", "1", "alice", "0190a8a0-0000-7000-8000-00000000000g"] {
            assert!(text.parse::<UserId>().is_err(), "{text} was accepted as an id");
        }
    }

    /// In tokens, policies and request bodies alike.
    #[test]
    fn only_hyphenated_id_is_deserialized() {
        use serde::{Deserialize, de::IntoDeserializer};
        let read = |text: &str| {
            let text: serde::de::value::StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
            UserId::deserialize(text)
        };
        let id = UserId::new();
        assert_eq!(read(&id.to_string()), Ok(id));
        assert!(read(&id.to_string().replace('-', "")).is_err());
    }
}
