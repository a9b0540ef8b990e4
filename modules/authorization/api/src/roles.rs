//! The roles of a tenant. Each member has exactly one.

use async_trait::async_trait;
use db::DbError;
use kernel::{InvalidName, Permit, RoleId, name_key, normalize_name, parsed_text};
use serde::Serialize;
use shaku::Interface;
use utoipa::ToSchema;

use crate::ChangeError;

kernel::permission! {
    /// Read the tenant's roles.
    pub RoleRead = "role", "read";
}

kernel::permission! {
    /// Create, rename and delete the tenant's custom roles.
    pub RoleManage = "role", "manage";
}

parsed_text! {
    /// Name of a role: a single line of 1 to 100 characters, trimmed.
    RoleName, 100 characters, normalize => InvalidName
}

impl RoleName {
    /// Maximum length of the key in characters. The unique index can't contain keys of any length.
    pub const MAX_KEY_LENGTH: usize = 300;

    /// The form in which names of roles are compared: without case, compatibility variants and invisible characters.
    pub fn key(&self) -> String {
        name_key(self.as_str())
    }
}

/// Some ligatures stand for up to 18 letters, so the key may be longer than the name.
fn normalize(text: &str) -> Result<String, InvalidName> {
    let max = RoleName::MAX_LENGTH;
    let name = normalize_name(text, max)?;
    if name_key(&name).chars().count() <= RoleName::MAX_KEY_LENGTH {
        Ok(name)
    } else {
        Err(InvalidName::Length { max })
    }
}

/// Id and name of a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RoleSummaryResponse)]
pub struct RoleSummary {
    /// Immutable id.
    #[schema(value_type = Uuid)]
    pub id: RoleId,
    /// Unique within the tenant, ignoring case and compatibility variants of characters.
    #[schema(example = "admin")]
    pub name: String,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RoleResponse)]
pub struct Role {
    /// Immutable id.
    #[schema(value_type = Uuid)]
    pub id: RoleId,
    /// Unique within the tenant, ignoring case and compatibility variants of characters.
    #[schema(value_type = String, example = "auditor")]
    pub name: RoleName,
    /// Whether it is a system role, which can't be changed or deleted.
    pub is_system: bool,
    /// Number of members with this role.
    #[schema(example = 3)]
    pub members: i64,
}

/// Reasons why a role can't be returned or changed.
#[derive(Debug, thiserror::Error)]
pub enum RolesError {
    /// The tenant has no such role.
    #[error("no such role")]
    NotFound,
    /// Another role of the tenant has a name with the same [`RoleName::key`].
    #[error("another role has this name")]
    NameTaken,
    /// The role is a system role and immutable.
    #[error("system roles can't be changed")]
    SystemRoleImmutable,
    /// A member has the role, or an invitation grants it, even an expired one.
    #[error("the role is in use by members or invitations")]
    InUse,
    /// The tenant has the maximum number of roles.
    #[error("role limit reached: a tenant has at most {limit} roles; delete one first")]
    LimitReached {
        /// Maximum number of roles per tenant.
        limit: u16,
    },
    /// The change is rejected by the escalation or last-admin check.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The roles of a tenant.
#[async_trait]
pub trait Roles: Interface {
    /// Returns all roles: system roles first, then by name.
    async fn list(&self, permit: &Permit<RoleRead>) -> Result<Vec<Role>, RolesError>;

    /// Creates a role without members and policies. Tenant-wide policies apply to it.
    async fn create(&self, permit: &Permit<RoleManage>, name: &RoleName) -> Result<Role, RolesError>;

    /// Renames a role.
    async fn rename(&self, permit: &Permit<RoleManage>, id: RoleId, name: &RoleName) -> Result<Role, RolesError>;

    /// Deletes an unused role and its policies.
    async fn delete(&self, permit: &Permit<RoleManage>, id: RoleId) -> Result<(), RolesError>;
}

#[cfg(test)]
mod tests {
    use kernel::Disallowed;
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn key(text: &str) -> String {
        text.parse::<RoleName>().unwrap().key()
    }

    #[test]
    fn text_is_single_line_and_bounded() {
        assert_eq!(" Kä fer\n".parse::<RoleName>().map(|name| name.to_string()), Ok("Kä fer".into()));
        assert!("ß".repeat(RoleName::MAX_LENGTH).parse::<RoleName>().is_ok());
        let too_long = InvalidName::Length { max: 100 };
        let long = "a".repeat(RoleName::MAX_LENGTH + 1);
        for text in ["", " ", "\n", long.as_str()] {
            assert_eq!(text.parse::<RoleName>(), Err(too_long), "{text:?}");
        }
        for (text, c) in [("a\nb", '\n'), ("a\0b", '\0'), ("a\u{7f}", '\u{7f}'), ("admin\u{200b}", '\u{200b}')] {
            assert_eq!(text.parse::<RoleName>(), Err(InvalidName::Character(Disallowed(c))), "{text:?}");
        }
        assert_eq!(too_long.to_string(), "must be a single line of 1 to 100 characters");
    }

    #[rstest]
    #[case::case("ADMIN", "admin")]
    #[case::fullwidth("\u{ff41}\u{ff44}\u{ff4d}\u{ff49}\u{ff4e}", "admin")]
    #[case::mathematical("\u{1d41a}\u{1d41d}\u{1d426}\u{1d422}\u{1d427}", "admin")]
    #[case::variation_selector("admin\u{fe0f}", "admin")]
    #[case::decomposed("Verwaltungspru\u{308}fer", "VERWALTUNGSPR\u{dc}FER")]
    #[case::sharp_s("Stra\u{df}e", "STRASSE")]
    #[case::ligature("o\u{fb03}ce", "Office")]
    #[case::final_sigma("\u{3c1}\u{3cc}\u{3bb}\u{3bf}\u{3c2}", "\u{3a1}\u{38c}\u{39b}\u{39f}\u{3a3}")]
    #[case::spaces("front  desk", "Front\u{a0}Desk")]
    #[case::joiner("\u{645}\u{6cc}\u{200c}\u{62e}", "\u{645}\u{6cc}\u{62e}")]
    fn equal_role_names_have_equal_keys(#[case] name: &str, #[case] other: &str) {
        assert_eq!(key(name), key(other), "{name:?} {other:?}");
    }

    /// Confusable letters of different scripts aren't compared.
    #[rstest]
    #[case("admin", "\u{430}dmin")]
    #[case("resume", "r\u{e9}sum\u{e9}")]
    #[case("dim", "d\u{131}m")]
    #[case("admin", "ad min")]
    fn different_role_names_have_different_keys(#[case] name: &str, #[case] other: &str) {
        assert_ne!(key(name), key(other), "{name:?} {other:?}");
    }

    #[test]
    fn long_key_is_rejected() {
        // U+FDFA stands for 18 characters.
        assert!("\u{fdfa}".repeat(16).parse::<RoleName>().is_ok());
        assert_eq!("\u{fdfa}".repeat(17).parse::<RoleName>(), Err(InvalidName::Length { max: 100 }));
    }

    proptest! {
        #[test]
        fn role_keys_are_bounded(text in any::<String>()) {
            if let Ok(name) = text.parse::<RoleName>() {
                let length = name.key().chars().count();
                prop_assert!((1..=RoleName::MAX_KEY_LENGTH).contains(&length), "{}", length);
            }
        }
    }
}
