//! The templates of the system roles and their policies, in versions, and bringing tenants to the current one.

use async_trait::async_trait;
use shaku::Interface;

use super::{AuthorizationError, TenantId, TenantSlug};

/// How many tenants have a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantsAtVersion {
    /// The version.
    pub version: i32,
    /// How many, archived ones among them.
    pub tenants: i64,
}

/// Which versions the tenants have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateVersions {
    /// The newest that this program knows.
    pub current: i32,
    /// Those that tenants have, the oldest first.
    pub in_use: Vec<TenantsAtVersion>,
}

impl TemplateVersions {
    /// How many tenants have an older version than the current one.
    pub fn behind(&self) -> i64 {
        self.in_use.iter().filter(|at| at.version < self.current).map(|at| at.tenants).sum()
    }

    /// How many tenants have a newer version than this program knows: from a newer program.
    pub fn ahead(&self) -> i64 {
        self.in_use.iter().filter(|at| at.version > self.current).map(|at| at.tenants).sum()
    }
}

/// What an upgrade does about a tenant whose roles or policies somebody is changing at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLocked {
    /// Leaves it out, and says which it was.
    Skip,
    /// Waits, for the 30 seconds that a statement has. Meanwhile it holds up whoever changes one of the other tenants,
    /// so this is for one at a time.
    Wait,
}

/// What became of tenants that were to be upgraded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpgradeReport {
    /// How many have the current version by this.
    pub upgraded: usize,
    /// How many weren't behind, or not any more: somebody else was faster.
    pub up_to_date: usize,
    /// Left out, since somebody is changing them.
    pub skipped: Vec<TenantId>,
    /// Left as they are, since something of theirs is in the way.
    pub blocked: Vec<BlockedTenant>,
}

/// A tenant that can't be upgraded before somebody renames a role of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedTenant {
    /// Names the tenant.
    pub slug: TenantSlug,
    /// The name that a role of its own has, and that a system role is to have.
    pub role: &'static str,
}

/// The templates that tenants are founded with, and what brings a tenant to the current version: what is new is added,
/// what is there stays as it is. A tenant at a newer version than this program knows is left alone. For those who run
/// the program; no request has it.
#[async_trait]
pub trait PolicyTemplates: Interface {
    /// Which versions there are.
    async fn versions(&self) -> Result<TemplateVersions, AuthorizationError>;

    /// The tenants that are behind, archived ones among them, by id.
    async fn outdated_tenants(&self) -> Result<Vec<TenantId>, AuthorizationError>;

    /// What [`Self::upgrade`] would do with these tenants. Changes nothing and waits for nobody.
    async fn plan(&self, tenants: &[TenantId]) -> Result<UpgradeReport, AuthorizationError>;

    /// Brings these tenants to the current version, all of them in one transaction: stopped at any moment, it has
    /// happened or it hasn't. Some hundreds at once, for as long as it takes nobody else changes their policies.
    async fn upgrade(&self, tenants: &[TenantId], on_locked: OnLocked) -> Result<UpgradeReport, AuthorizationError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn template_version_ordering() {
        let found = [(1, 5), (2, 7), (3, 11), (4, 13), (5, 17)];
        let found = found.map(|(version, tenants)| TenantsAtVersion { version, tenants }).to_vec();
        let versions = TemplateVersions { current: 3, in_use: found };
        assert_eq!((versions.behind(), versions.ahead()), (12, 30));
    }
}
