//! The policies that are compiled already.

use std::{fmt, sync::Arc};

use kernel::contracts::TenantId;
use quick_cache::{Weighter, sync::Cache};

use crate::domain::CompiledPolicies;

/// How many policies are kept at the most, whoever's they are.
const MOST_POLICIES: u64 = 200_000;
/// How many tenants there is room for at first.
const TENANTS: usize = 1_000;

/// Compiled policies by tenant, each under the version that they were read at. Bounded: what hasn't been asked for lately
/// goes first.
pub(crate) struct KnownPolicies(Cache<TenantId, Arc<CompiledPolicies>, ByPolicies>);

impl KnownPolicies {
    /// Those of exactly this version.
    pub(crate) fn get(&self, tenant: TenantId, version: i64) -> Option<Arc<CompiledPolicies>> {
        self.0.get(&tenant).filter(|known| known.version() == version)
    }

    /// Keeps them, unless newer ones are here.
    pub(crate) fn put(&self, tenant: TenantId, policies: &Arc<CompiledPolicies>) {
        let newer = self.0.peek(&tenant).is_some_and(|known| known.version() > policies.version());
        if !newer {
            self.0.insert(tenant, Arc::clone(policies));
        }
    }
}

impl Default for KnownPolicies {
    fn default() -> Self {
        Self(Cache::with_weighter(TENANTS, MOST_POLICIES, ByPolicies))
    }
}

impl fmt::Debug for KnownPolicies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownPolicies").field("tenants", &self.0.len()).finish_non_exhaustive()
    }
}

/// A tenant weighs what it has of policies, and never nothing.
#[derive(Clone)]
struct ByPolicies;

impl Weighter<TenantId, Arc<CompiledPolicies>> for ByPolicies {
    fn weight(&self, _: &TenantId, policies: &Arc<CompiledPolicies>) -> u64 {
        u64::try_from(policies.len()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use kernel::contracts::{Effect, PolicyId};

    use super::*;
    use crate::domain::{Policy, StoredCondition, TenantFacts};

    fn compiled(version: i64, policies: usize) -> Arc<CompiledPolicies> {
        let policy = || Policy {
            id: PolicyId::new(),
            role_id: None,
            effect: Effect::Allow,
            resource: "user".into(),
            verbs: vec!["read".into()],
            condition: StoredCondition::Always,
        };
        let policies: Vec<_> = (0..policies).map(|_| policy()).collect();
        Arc::new(CompiledPolicies::new(version, &policies, &TenantFacts::of_a_test()))
    }

    #[test]
    fn the_newest_are_kept_and_given_for_their_own_version_alone() {
        let (known, tenant) = (KnownPolicies::default(), TenantId::new());
        for (put, kept) in [(2, 2), (1, 2), (3, 3)] {
            known.put(tenant, &compiled(put, 0));
            let found = [1, 2, 3].map(|version| known.get(tenant, version).map(|found| found.version()));
            assert_eq!(found, [1, 2, 3].map(|version| (version == kept).then_some(version)), "after {put}");
            assert!(known.get(TenantId::new(), kept).is_none());
        }
    }

    #[test]
    fn a_tenant_weighs_what_it_has_of_policies_and_never_nothing() {
        let weight = |policies| ByPolicies.weight(&TenantId::new(), &compiled(1, policies));
        assert_eq!([0, 1, 7].map(weight), [1, 2, 8]);
    }

    #[test]
    fn what_is_too_much_goes() {
        let (known, largest) = (KnownPolicies::default(), compiled(1, 999));
        let tenants: Vec<_> = (0..300).map(|_| TenantId::new()).collect();
        for tenant in &tenants {
            known.put(*tenant, &largest);
        }
        let left = tenants.iter().filter(|tenant| known.get(**tenant, 1).is_some()).count();
        // In parts, each with its own share of the room, so not all of it is used.
        assert!((100..=200).contains(&left), "{left}");
    }
}
