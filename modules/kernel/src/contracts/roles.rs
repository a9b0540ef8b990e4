//! The roles of a tenant: each member has one, and policies say what it may do.

use std::{fmt, str::FromStr};

use async_trait::async_trait;
use shaku::Interface;

use super::{ChangeRefused, Permit, text::line};
use crate::{db::DbError, id::id};

id! {
    /// A role in a tenant.
    RoleId
}

crate::permission! {
    /// Read the tenant's roles.
    pub RoleRead = "role", "read";
}

crate::permission! {
    /// Create, rename and delete the tenant's own roles.
    pub RoleManage = "role", "manage";
}

/// What people call a role: a line of 1 to 100 characters, trimmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleName(String);

impl RoleName {
    /// In characters.
    pub const MAX_LENGTH: usize = 100;

    /// The name as stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text can't be a role's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a role's name has 1 to 100 characters on one line")]
pub struct InvalidRoleName;

impl FromStr for RoleName {
    type Err = InvalidRoleName;

    fn from_str(text: &str) -> Result<Self, InvalidRoleName> {
        line(text, Self::MAX_LENGTH).map(Self).ok_or(InvalidRoleName)
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A role as shown beside something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleSummary {
    /// Stays the same for good.
    pub id: RoleId,
    /// Unique in its tenant, whatever the case.
    pub name: String,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Stays the same for good.
    pub id: RoleId,
    /// Unique in its tenant, whatever the case.
    pub name: String,
    /// Whether it came with the tenant. Such a role stays as it is.
    pub is_system: bool,
    /// How many have it.
    pub members: i64,
}

/// Why a role can't be shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum RolesError {
    /// The tenant has no such role.
    #[error("no such role")]
    NotFound,
    /// Another role of the tenant has this name, whatever the case.
    #[error("the name is taken")]
    NameTaken,
    /// It came with the tenant, and stays as it is.
    #[error("a system role stays as it is")]
    System,
    /// Somebody has it, or is invited to it.
    #[error("the role is in use")]
    InUse,
    /// The tenant has as many roles as it may have.
    #[error("too many roles")]
    TooMany {
        /// How many that is.
        most: u16,
    },
    /// It isn't the caller's to do.
    #[error(transparent)]
    Refused(#[from] ChangeRefused),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The roles of a tenant.
#[async_trait]
pub trait Roles: Interface {
    /// All of them: the system's first, then by name.
    async fn list(&self, permit: &Permit<RoleRead>) -> Result<Vec<Role>, RolesError>;

    /// Makes a role that nobody has yet, and that may do what every member may.
    async fn create(&self, permit: &Permit<RoleManage>, name: &RoleName) -> Result<Role, RolesError>;

    /// Calls it something else.
    async fn rename(&self, permit: &Permit<RoleManage>, id: RoleId, name: &RoleName) -> Result<Role, RolesError>;

    /// Deletes a role that nobody has, and its policies with it.
    async fn delete(&self, permit: &Permit<RoleManage>, id: RoleId) -> Result<(), RolesError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line() {
        assert_eq!(" Käufer ".parse::<RoleName>().map(|name| name.to_string()), Ok("Käufer".into()));
        let long = "a".repeat(101);
        for text in ["", " ", "a\nb", "a\0b", long.as_str()] {
            assert_eq!(text.parse::<RoleName>(), Err(InvalidRoleName), "{text:?}");
        }
    }
}
