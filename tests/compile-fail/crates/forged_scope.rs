//! A tenant scope without an admission.

use std::sync::Arc;

use kernel::{AdmissionCheck, PolicySet, TenantScope};

fn scope(policies: Arc<dyn PolicySet>, admission_check: Arc<AdmissionCheck>) -> TenantScope {
    TenantScope { policies, admission_check }
}

fn main() {}
