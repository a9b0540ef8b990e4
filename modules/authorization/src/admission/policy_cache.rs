//! A cache of compiled policies, keyed by tenant.

use std::sync::Arc;

use kernel::TenantId;
use quick_cache::{Weighter, sync::Cache};

use crate::engine::{CompiledPolicies, PolicyVersion};

/// Maximum total size of the cached policies, in bytes.
const MAX_CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// Initial capacity in tenants. It also makes quick_cache use at most 8 shards, which divide the total size equally, so
/// that each is large enough for the largest tenant.
const ESTIMATED_TENANTS: usize = 256;

/// A bounded cache of compiled policies by tenant. Each entry has the policy version at which it was read. Entries that
/// weren't used recently are evicted first.
pub(crate) struct PolicyCache(Cache<TenantId, Arc<CompiledPolicies>, PolicySizeWeighter>);

impl PolicyCache {
    /// Returns the tenant's policies if the cached version is exactly `version`.
    pub(crate) fn get(&self, tenant: TenantId, version: PolicyVersion) -> Option<Arc<CompiledPolicies>> {
        self.0.get(&tenant).filter(|cached| cached.version() == version)
    }

    /// Replaces the cached version. This may overwrite a newer version, which the next request then reads again.
    pub(crate) fn insert(&self, tenant: TenantId, policies: &Arc<CompiledPolicies>) {
        self.0.insert(tenant, Arc::clone(policies));
    }
}

impl Default for PolicyCache {
    fn default() -> Self {
        Self(Cache::with_weighter(ESTIMATED_TENANTS, MAX_CACHE_BYTES, PolicySizeWeighter))
    }
}

/// The weight of an entry is its size in bytes.
#[derive(Clone)]
struct PolicySizeWeighter;

impl Weighter<TenantId, Arc<CompiledPolicies>> for PolicySizeWeighter {
    fn weight(&self, _: &TenantId, policies: &Arc<CompiledPolicies>) -> u64 {
        u64::try_from(policies.memory_bytes()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use authorization_api::Effect;
    use kernel::PolicyId;
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::{Policy, StoredCondition, TenantAttributes};

    fn policy(condition: Option<Value>) -> Policy {
        Policy {
            id: PolicyId::new(),
            role_id: None,
            effect: Effect::Allow,
            resource: "user".into(),
            verbs: vec!["read".into()],
            condition: StoredCondition::from(condition),
        }
    }

    fn compiled(number: u128, policies: &[Policy]) -> Arc<CompiledPolicies> {
        Arc::new(CompiledPolicies::new(PolicyVersion::for_test(number), policies, &TenantAttributes::for_test()))
    }

    /// Returns a policy with 32 verbs and a condition with 640 address ranges.
    fn large_policy() -> Policy {
        let ranges = |part| (0..64).map(move |index| format!("10.{part}.{index}.0/24")).collect::<Vec<_>>();
        let parts: Vec<_> = (0..10).map(|part| json!({"client_addr": ranges(part)})).collect();
        let verbs = (0..32).map(|verb| format!("verb-{verb}")).collect();
        Policy { verbs, ..policy(Some(json!({"any": parts}))) }
    }

    #[test]
    fn get_requires_exact_version() {
        let (cache, tenant) = (PolicyCache::default(), TenantId::new());
        for inserted in [2, 1, 3] {
            let current = PolicyVersion::for_test(inserted);
            cache.insert(tenant, &compiled(inserted, &[]));
            for version in [1, 2, 3].map(PolicyVersion::for_test) {
                let cached = cache.get(tenant, version).map(|policies| policies.version());
                assert_eq!(cached, (version == current).then_some(version), "after {inserted}");
            }
            assert!(cache.get(TenantId::new(), current).is_none());
        }
    }

    #[test]
    fn entry_weight_grows_with_conditions() {
        let weight = |policies: &[Policy]| PolicySizeWeighter.weight(&TenantId::new(), &compiled(1, policies));
        let [none, plain, large] = [&[][..], &[policy(None)], &[large_policy()]].map(weight);
        assert!((1..500).contains(&none) && (none + 1..1_000).contains(&plain), "{none} {plain}");
        // 640 ranges of 17 bytes or more.
        assert!((10_880..40_000).contains(&large), "{large}");
        // An invalid condition keeps its errors.
        let invalid = |entries| weight(&[policy(Some(json!({"client_addr": vec!["x"; entries]})))]);
        assert!(invalid(64) > invalid(1) + 63 * 16, "{} {}", invalid(64), invalid(1));
    }

    #[test]
    fn largest_tenant_is_cached() {
        let (cache, tenant) = (PolicyCache::default(), TenantId::new());
        let (plain, large) = (Policy { condition: StoredCondition::Always, ..large_policy() }, large_policy());
        // 1,000 policies with 32 verbs each, and more ranges than a tenant may have.
        let largest = compiled(1, &[vec![plain; 984], vec![large; 16]].concat());
        cache.insert(tenant, &largest);
        assert!(
            cache.get(tenant, PolicyVersion::for_test(1)).is_some(),
            "{} bytes don't fit into a shard",
            largest.memory_bytes()
        );
    }

    #[test]
    fn over_capacity_entries_are_evicted() {
        let (cache, large) = (PolicyCache::default(), compiled(1, &vec![large_policy(); 64]));
        let fitting = usize::try_from(MAX_CACHE_BYTES).unwrap() / large.memory_bytes();
        let tenants: Vec<_> = (0..fitting * 3).map(|_| TenantId::new()).collect();
        for tenant in &tenants {
            cache.insert(*tenant, &large);
        }
        let cached = tenants.iter().filter(|tenant| cache.get(**tenant, PolicyVersion::for_test(1)).is_some()).count();
        // Each shard has its own share of the size, so the limit isn't fully used.
        assert!((fitting / 2..=fitting).contains(&cached), "{cached} of {fitting}");
    }
}
