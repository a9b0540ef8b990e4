//! Errors that all changes to a tenant and its permissions share.

use db::DbError;
use kernel::PermissionDenied;

/// Reasons why a change to a tenant or its permissions (roles, policies, members, invitations) is rejected.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The tenant was archived or the caller was removed after the request had been admitted.
    #[error("no such tenant")]
    NoLongerMember,
    /// The caller's permission was revoked after the request had been admitted.
    #[error(transparent)]
    Denied(#[from] PermissionDenied),
    /// The change would grant a permission that the caller doesn't have under the same conditions.
    #[error("privilege escalation: the caller doesn't have {permission} and can't grant it")]
    PrivilegeEscalation {
        /// `resource:verb`; either part may be `*`.
        permission: String,
    },
    /// The change would take away a permission that the caller doesn't have under the same conditions.
    #[error("privilege escalation: the caller doesn't have {permission} and can't take it away")]
    RemovalNotPermitted {
        /// `resource:verb`; either part may be `*`.
        permission: String,
    },
    /// The tenant would be left without an admin: an active member who is allowed `*:*` unconditionally and denied
    /// nothing. Only such a member can undo every other change.
    #[error("the tenant would be left without an admin; promote another admin first")]
    LastAdmin,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}
