//! The version of a tenant's policies.

use uuid::Uuid;

/// Identifies one state of a tenant's policies and attributes: a random UUID that the database sets.
///
/// Versions have no order. A number would repeat after a failover that loses commits, or after a restore, and policies
/// cached under the lost number would be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct PolicyVersion(Uuid);

#[cfg(test)]
impl PolicyVersion {
    pub(crate) fn for_test(number: u128) -> Self {
        Self(Uuid::from_u128(number))
    }
}
