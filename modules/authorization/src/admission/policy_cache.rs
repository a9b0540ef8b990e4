//! A cache of compiled policies, keyed by tenant.

use std::sync::Arc;

use kernel::TenantId;
use quick_cache::{Weighter, sync::Cache};

use crate::engine::{CompiledPolicies, PolicyVersion};

/// Maximum total weight over all tenants; see [`PolicyCountWeighter`].
const MAX_CACHE_WEIGHT: u64 = 200_000;
/// Number of tenants that the cache allocates space for initially.
const ESTIMATED_TENANTS: usize = 1_000;

/// A bounded cache of compiled policies by tenant. Each entry has the policy version at which it was read. Entries that
/// weren't used recently are evicted first.
pub(crate) struct PolicyCache(Cache<TenantId, Arc<CompiledPolicies>, PolicyCountWeighter>);

impl PolicyCache {
    /// Returns the tenant's policies if the cached version is exactly `version`.
    pub(crate) fn get(&self, tenant: TenantId, version: PolicyVersion) -> Option<Arc<CompiledPolicies>> {
        self.0.get(&tenant).filter(|cached| cached.version() == version)
    }

    /// Caches the policies in place of another version. If that one was newer, the next request reads it again.
    pub(crate) fn insert(&self, tenant: TenantId, policies: &Arc<CompiledPolicies>) {
        self.0.insert(tenant, Arc::clone(policies));
    }
}

impl Default for PolicyCache {
    fn default() -> Self {
        Self(Cache::with_weighter(ESTIMATED_TENANTS, MAX_CACHE_WEIGHT, PolicyCountWeighter))
    }
}

/// Weighs a tenant by its number of policies plus one, so that a tenant without policies still has a weight.
#[derive(Clone)]
struct PolicyCountWeighter;

impl Weighter<TenantId, Arc<CompiledPolicies>> for PolicyCountWeighter {
    fn weight(&self, _: &TenantId, policies: &Arc<CompiledPolicies>) -> u64 {
        u64::try_from(policies.len()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use authorization_api::Effect;
    use kernel::PolicyId;

    use super::*;
    use crate::engine::{Policy, StoredCondition, TenantAttributes};

    fn compiled(number: u128, policies: usize) -> Arc<CompiledPolicies> {
        let policy = || Policy {
            id: PolicyId::new(),
            role_id: None,
            effect: Effect::Allow,
            resource: "user".into(),
            verbs: vec!["read".into()],
            condition: StoredCondition::Always,
        };
        let policies: Vec<_> = (0..policies).map(|_| policy()).collect();
        Arc::new(CompiledPolicies::new(PolicyVersion::for_test(number), &policies, &TenantAttributes::for_test()))
    }

    #[test]
    fn cache_hits_only_exact_version() {
        let (cache, tenant) = (PolicyCache::default(), TenantId::new());
        for inserted in [2, 1, 3] {
            let latest = PolicyVersion::for_test(inserted);
            cache.insert(tenant, &compiled(inserted, 0));
            for version in [1, 2, 3].map(PolicyVersion::for_test) {
                let cached = cache.get(tenant, version).map(|policies| policies.version());
                assert_eq!(cached, (version == latest).then_some(version), "after {inserted}");
            }
            assert!(cache.get(TenantId::new(), latest).is_none());
        }
    }

    #[test]
    fn entry_weight_is_policy_count_min_one() {
        let weight = |policies| PolicyCountWeighter.weight(&TenantId::new(), &compiled(1, policies));
        assert_eq!([0, 1, 7].map(weight), [1, 2, 8]);
    }

    #[test]
    fn over_capacity_entries_are_evicted() {
        let (cache, largest) = (PolicyCache::default(), compiled(1, 999));
        let tenants: Vec<_> = (0..300).map(|_| TenantId::new()).collect();
        for tenant in &tenants {
            cache.insert(*tenant, &largest);
        }
        let left = tenants.iter().filter(|tenant| cache.get(**tenant, PolicyVersion::for_test(1)).is_some()).count();
        // The cache is sharded and each shard has its own share of the weight, so the limit isn't fully used.
        assert!((100..=200).contains(&left), "{left}");
    }
}
