//! The roles of a tenant. Each member has exactly one.

use async_trait::async_trait;
use db::DbError;
use kernel::{Permit, RoleId, bounded_text};
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

bounded_text! {
    /// Name of a role: a single line of 1 to 100 characters, trimmed.
    RoleName, 100 characters;
    /// The text isn't a valid role name.
    InvalidRoleName
}

/// Id and name of a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RoleSummaryResponse)]
pub struct RoleSummary {
    /// Immutable id.
    #[schema(value_type = Uuid)]
    pub id: RoleId,
    /// Unique within the tenant, ignoring case.
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
    /// Unique within the tenant, ignoring case.
    #[schema(example = "auditor")]
    pub name: String,
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
    /// Another role of the tenant has this name, ignoring case.
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
    use super::*;

    #[test]
    fn text_is_single_line_and_bounded() {
        assert_eq!(" Kä fer\n".parse::<RoleName>().map(|name| name.to_string()), Ok("Kä fer".into()));
        assert!("ß".repeat(RoleName::MAX_LENGTH).parse::<RoleName>().is_ok());
        let long = "a".repeat(RoleName::MAX_LENGTH + 1);
        for text in ["", " ", "\n", "a\nb", "a\0b", "a\u{7f}", long.as_str()] {
            assert_eq!(text.parse::<RoleName>(), Err(InvalidRoleName), "{text:?}");
        }
        assert_eq!(InvalidRoleName.to_string(), "must be a single line of 1 to 100 characters");
    }
}
