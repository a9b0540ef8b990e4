//! A tenant scope created with the kernel's private function; any code can construct an admission.

use kernel::{Admission, TenantScope};

fn scope(admission: Admission) -> TenantScope {
    TenantScope::from_admission(admission)
}

fn main() {}
