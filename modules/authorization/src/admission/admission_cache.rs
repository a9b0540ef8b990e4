//! A cache of admissions, keyed by user and requested tenant.

use kernel::{RoleId, TenantId, TenantTarget, UserId};
use quick_cache::sync::Cache;

use crate::engine::PolicyVersion;

/// Maximum number of cached admissions, about 10 MB.
const MAX_ADMISSIONS: usize = 50_000;

/// The tenant that a request names; `None` is the user's personal tenant.
type RequestedTenant = Option<kernel::TenantRef>;

/// The last admission of a user to a tenant. It may be outdated: the database compares it when it is used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CachedAdmission {
    pub(crate) tenant: TenantId,
    pub(crate) role: RoleId,
    pub(crate) policy_version: PolicyVersion,
}

/// A bounded cache. Entries that weren't used recently are evicted first.
pub(crate) struct AdmissionCache(Cache<(UserId, RequestedTenant), CachedAdmission>);

impl AdmissionCache {
    pub(crate) fn get(&self, user: UserId, tenant: TenantTarget<'_>) -> Option<CachedAdmission> {
        self.0.get(&(user, requested(tenant)))
    }

    pub(crate) fn insert(&self, user: UserId, tenant: TenantTarget<'_>, admission: CachedAdmission) {
        self.0.insert((user, requested(tenant)), admission);
    }

    pub(crate) fn remove(&self, user: UserId, tenant: TenantTarget<'_>) {
        self.0.remove(&(user, requested(tenant)));
    }
}

impl Default for AdmissionCache {
    fn default() -> Self {
        Self(Cache::new(MAX_ADMISSIONS))
    }
}

fn requested(tenant: TenantTarget<'_>) -> RequestedTenant {
    match tenant {
        TenantTarget::Id(id) => Some(kernel::TenantRef::Id(id)),
        TenantTarget::Slug(slug) => Some(kernel::TenantRef::Slug(slug.clone())),
        TenantTarget::Personal => None,
    }
}
