//! A cache of admissions, keyed by user and requested tenant.

use kernel::{AdmissionFacts, TenantRef, TenantTarget, UserId};
use quick_cache::sync::Cache;

/// Maximum number of cached admissions, about 20 MB.
const MAX_ADMISSIONS: usize = 100_000;

/// The tenant that a request names; `None` is the user's personal tenant.
type TenantKey = Option<TenantRef>;

/// A bounded cache of the last admissions. They may be outdated: the database compares them when they are used. Entries
/// that weren't used recently are evicted first.
pub(crate) struct AdmissionCache(Cache<(UserId, TenantKey), AdmissionFacts>);

impl AdmissionCache {
    pub(crate) fn get(&self, user: UserId, tenant: TenantTarget<'_>) -> Option<AdmissionFacts> {
        self.0.get(&(user, tenant_key(tenant)))
    }

    pub(crate) fn insert(&self, tenant: TenantTarget<'_>, admission: AdmissionFacts) {
        self.0.insert((admission.user, tenant_key(tenant)), admission);
    }

    pub(crate) fn remove(&self, user: UserId, tenant: TenantTarget<'_>) {
        self.0.remove(&(user, tenant_key(tenant)));
    }
}

impl Default for AdmissionCache {
    fn default() -> Self {
        Self(Cache::new(MAX_ADMISSIONS))
    }
}

fn tenant_key(tenant: TenantTarget<'_>) -> TenantKey {
    match tenant {
        TenantTarget::Id(id) => Some(TenantRef::Id(id)),
        TenantTarget::Slug(slug) => Some(TenantRef::Slug(slug.clone())),
        TenantTarget::Personal => None,
    }
}
