//! A tenant scope without an admission.

use std::sync::Arc;

use kernel::{AdmissionCheck, PolicySet, Principal, RoleId, TenantId, TenantScope};

fn scope(
    tenant: TenantId,
    principal: Principal,
    role: RoleId,
    policies: Arc<dyn PolicySet>,
    check: Arc<AdmissionCheck>,
) -> TenantScope {
    TenantScope { tenant, principal, role, policies, check }
}

fn main() {}
