//! Versioned templates of system roles and policies, and upgrades of tenants to the current version.

use async_trait::async_trait;
use db::DbError;
use kernel::{TenantId, TenantSlug};
use shaku::Interface;

/// Number of tenants at a template version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantsAtVersion {
    /// Template version.
    pub version: i32,
    /// Number of tenants, including archived ones.
    pub tenants: i64,
}

/// The template versions of all tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateVersions {
    /// Newest version known to this program.
    pub current: i32,
    /// Versions of the tenants, oldest first.
    pub in_use: Vec<TenantsAtVersion>,
}

impl TemplateVersions {
    /// Returns the number of tenants with an older version than the current one.
    pub fn outdated_count(&self) -> i64 {
        self.in_use.iter().filter(|at| at.version < self.current).map(|at| at.tenants).sum()
    }

    /// Returns the number of tenants with a newer version, upgraded by a newer version of the program.
    pub fn newer_count(&self) -> i64 {
        self.in_use.iter().filter(|at| at.version > self.current).map(|at| at.tenants).sum()
    }
}

/// The result of an upgrade.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpgradeReport {
    /// Number of tenants upgraded.
    pub upgraded: usize,
    /// Number of tenants that had the current version already, for example after a concurrent upgrade.
    pub up_to_date: usize,
    /// Tenants skipped because another transaction had locked them.
    pub skipped: Vec<TenantId>,
    /// Tenants not upgraded because one of their roles conflicts with a template.
    pub blocked: Vec<BlockedTenant>,
}

/// A tenant that can't be upgraded until one of its roles is renamed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedTenant {
    /// Slug of the tenant.
    pub slug: TenantSlug,
    /// Name of the custom role that conflicts with a new system role.
    pub role: &'static str,
}

/// Upgrades tenants to the current template version. Upgrades add what is new and change nothing that exists. Tenants
/// with a newer version than this program knows are left unchanged.
///
/// For operators only; it is not available to requests.
#[async_trait]
pub trait PolicyTemplates: Interface {
    /// Returns the template versions in use.
    async fn versions(&self) -> Result<TemplateVersions, DbError>;

    /// Returns the tenants with an older version, including archived ones, ordered by id.
    async fn outdated_tenants(&self) -> Result<Vec<TenantId>, DbError>;

    /// Returns the result that [`Self::upgrade`] would have. Changes nothing and never waits for locks.
    async fn plan(&self, tenants: &[TenantId]) -> Result<UpgradeReport, DbError>;

    /// Upgrades these tenants in one transaction: all of them, or none if it is interrupted. Skips those that another
    /// transaction has locked, since the others would stay locked while it waits.
    ///
    /// Pass at most a few hundred tenants: they stay locked until the transaction ends.
    async fn upgrade(&self, tenants: &[TenantId]) -> Result<UpgradeReport, DbError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outdated_and_newer_tenants_are_counted() {
        let in_use = [(1, 5), (2, 7), (3, 11), (4, 13), (5, 17)];
        let in_use = in_use.map(|(version, tenants)| TenantsAtVersion { version, tenants }).to_vec();
        let versions = TemplateVersions { current: 3, in_use };
        assert_eq!((versions.outdated_count(), versions.newer_count()), (12, 30));
    }
}
