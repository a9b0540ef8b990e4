//! The roles of a tenant: each member has one, and policies say what it may do.

use async_trait::async_trait;
use shaku::Interface;

use super::{ChangeError, Permit, bounded_text::bounded_text};
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

bounded_text! {
    /// What people call a role: a line of 1 to 100 characters, trimmed.
    RoleName, 100 characters;
    /// The text can't be a role's name.
    InvalidRoleName
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
    SystemRoleImmutable,
    /// Somebody has it, or is invited to it.
    #[error("the role is in use")]
    InUse,
    /// The tenant has as many roles as it may have.
    #[error("too many roles")]
    LimitReached {
        /// How many that is.
        limit: u16,
    },
    /// It isn't the caller's to do.
    #[error(transparent)]
    Change(#[from] ChangeError),
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
