//! A tenant scope without an admission.

use std::sync::Arc;

use kernel::{PolicySet, Principal, RoleId, TenantId, TenantScope};

fn scope(tenant: TenantId, principal: Principal, role: RoleId, policies: Arc<dyn PolicySet>) -> TenantScope {
    TenantScope { tenant, principal, role, policies }
}

fn main() {}
