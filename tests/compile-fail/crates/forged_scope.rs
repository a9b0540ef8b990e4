//! A tenant scope without an admission.

use std::sync::Arc;

use kernel::{AdmissionCheck, PolicySet, TenantScope};

fn scope(policies: Arc<dyn PolicySet>, check: Arc<AdmissionCheck>) -> TenantScope {
    TenantScope { policies, check }
}

fn main() {}
