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
